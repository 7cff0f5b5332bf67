/**
 * Levels of pressure from the kernel's PSI files, for those who may not load BPF programs: the share of the time between two
 * looks. It comes late and knows no causes, but it is the kernel's own account.
 */

import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Reading, Survey } from '../memory/survey.ts';
import { levelIndex, severityOfLevel } from '../model/level.ts';
import type { PressureLevel, PressureLevelName, StallNs } from '../model/pressure.ts';
import { Levels } from '../series/levels.ts';
import { subjectKey } from '../stream/subject-key.ts';
import { levelMessage } from './events.ts';

/** As those of the one-second window of the BPF programs. Full never makes `low`: some has made it before. */
const thresholds = { some: [0.1, 0.3, 0.6], full: [Number.POSITIVE_INFINITY, 0.2, 0.4] } as const;
const HYSTERESIS = 0.03;

interface Followed {
  some: Levels;
  full: Levels;
  level: PressureLevelName;
  episode: { id: string; beganMs: number; peak: PressureLevel['peak']; stalledNs: number } | undefined;
}

export class PsiLevels {
  readonly #survey: Survey;
  readonly #envelopes: EnvelopeFactory;
  readonly #wanted: (path: string) => boolean;
  readonly #emit: (event: PressureLevel) => void;
  readonly #followed = new Map<string, Followed>();
  #lastMs = Number.NaN;

  constructor(
    survey: Survey,
    envelopes: EnvelopeFactory,
    wanted: (path: string) => boolean,
    emit: (event: PressureLevel) => void,
  ) {
    this.#survey = survey;
    this.#envelopes = envelopes;
    this.#wanted = wanted;
    this.#emit = emit;
  }

  /** After each pass of the survey. */
  look(nowMs: number): void {
    const windowMs = Math.round(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    if (!(windowMs > 0)) return; // the first
    this.#follow(this.#survey.system, nowMs, windowMs);
    for (const [path, group] of this.#survey.groups) if (this.#wanted(path)) this.#follow(group, nowMs, windowMs);
    for (const group of this.#survey.gone) {
      this.#follow({ ...group, some: 0, full: 0 }, nowMs, windowMs);
      this.#followed.delete(subjectKey(group.subject));
    }
  }

  levelOf(reading: Reading): PressureLevelName {
    return this.#followed.get(subjectKey(reading.subject))?.level ?? 'normal';
  }

  #follow(reading: Reading, nowMs: number, windowMs: number): void {
    const { subject, some, full } = reading;
    if (some === null) return;
    const key = subjectKey(subject);
    const followed = this.#followed.get(key) ?? start();
    this.#followed.set(key, followed);
    const before = followed.level;
    const bySome = followed.some.next(nowMs, some);
    const byFull = followed.full.next(nowMs, full ?? 0);
    followed.level = levelIndex(bySome) >= levelIndex(byFull) ? bySome : byFull;
    if (before === 'normal' && followed.level !== 'normal') {
      const id = `${subject.id ?? 'system'}-${Math.round(nowMs)}`;
      const peak = { level: followed.level, some, full };
      followed.episode = { id, beganMs: nowMs - windowMs, peak, stalledNs: 0 };
    }
    const { episode } = followed;
    if (!episode) return;
    episode.stalledNs += some * windowMs * 1e6;
    const { peak } = episode;
    if (levelIndex(followed.level) > levelIndex(peak.level)) peak.level = followed.level;
    peak.some = Math.max(peak.some, some);
    peak.full = full === null ? peak.full : Math.max(peak.full ?? 0, full);
    if (followed.level !== before) this.#say(reading, followed.level, before, episode, nowMs, windowMs);
    if (followed.level === 'normal') followed.episode = undefined;
  }

  #say(
    { subject, some, full }: Reading,
    level: PressureLevelName,
    previous: PressureLevelName,
    episode: NonNullable<Followed['episode']>,
    nowMs: number,
    windowMs: number,
  ): void {
    const facts = {
      subject,
      level,
      previous,
      episode: episode.id,
      windows: [{ window_seconds: windowMs / 1000, some: some ?? 0, full }],
      decided_by_seconds: windowMs / 1000,
      duration_ns: Math.round((nowMs - episode.beganMs) * 1e6),
      peak: { ...episode.peak },
      // PSI counts time, not stalls, and of wall time only that which somebody was stalled for.
      stalls: 0,
      stall_ns: { ...noStalls, other: Math.round(episode.stalledNs) },
    };
    const now = process.hrtime.bigint();
    const envelope = this.#envelopes.next(now, realtimeOffsetNs(), severityOfLevel(level), 'psi', levelMessage(facts));
    this.#emit({ ...envelope, type: 'pressure.level', ...facts });
  }
}

function start(): Followed {
  const levels = (of: 'some' | 'full') =>
    new Levels({ thresholds: thresholds[of], hysteresis: HYSTERESIS, sustainMs: 0 });
  return { some: levels('some'), full: levels('full'), level: 'normal', episode: undefined };
}

const noStalls: StallNs = {
  direct_reclaim: 0,
  memcg_limit: 0,
  memcg_high: 0,
  compaction: 0,
  swap_in: 0,
  refault: 0,
  other: 0,
};
