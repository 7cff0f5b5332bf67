import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Reading, Survey } from '../memory/survey.ts';
import { levelIndex, severityOfLevel } from '../model/level.ts';
import type { PressureLevel, PressureLevelName, StallNs } from '../model/pressure.ts';
import { LevelTracker } from '../series/level-tracker.ts';
import { subjectKey } from '../stream/subject-key.ts';
import { levelMessage } from './level-message.ts';

/**
 * The thresholds of the 1 s window in defaultWindows. `full` has no `low`, because `some` is always at least as high.
 */
const thresholds = { some: [0.1, 0.3, 0.6], full: [Number.POSITIVE_INFINITY, 0.2, 0.4] } as const;
const HYSTERESIS = 0.03;

interface Episode {
  id: string;
  beganMs: number;
  peak: PressureLevel['peak'];
  stalledNs: number;
}

interface Followed {
  some: LevelTracker;
  full: LevelTracker;
  level: PressureLevelName;
  episode: Episode | undefined;
}

/** A pass of the survey. The time since the pass before is the window whose shares decide the level. */
interface Pass {
  nowMs: number;
  windowMs: number;
}

export interface PsiLevelOptions {
  /** The caller calls its sample(), and then update(). */
  survey: Survey;
  envelopes: EnvelopeFactory;
  /** Whether the user wants the levels of this cgroup. */
  wants: (path: string) => boolean;
  emit: (event: PressureLevel) => void;
}

/**
 * Computes levels of pressure from the kernel's PSI files, for users who may not load BPF programs. A level depends on
 * the share of stalled time between two passes, so it is reported later than with BPF, and without causes.
 */
export class PsiLevelTracker {
  readonly #options: PsiLevelOptions;
  readonly #followed = new Map<string, Followed>();
  #lastMs = Number.NaN;

  constructor(options: PsiLevelOptions) {
    this.#options = options;
  }

  /** @param nowMs the time of the survey's last pass */
  update(nowMs: number): void {
    const { survey, wants } = this.#options;
    const pass = { nowMs, windowMs: Math.round(nowMs - this.#lastMs) };
    this.#lastMs = nowMs;
    if (!(pass.windowMs > 0)) return; // the first pass has no window
    this.#follow(survey.system, pass);
    for (const [path, group] of survey.groups) if (wants(path)) this.#follow(group, pass);
    for (const group of survey.gone) {
      this.#follow({ ...group, some: 0, full: 0 }, pass);
      this.#followed.delete(subjectKey(group.subject));
    }
  }

  levelOf(reading: Reading): PressureLevelName {
    return this.#followed.get(subjectKey(reading.subject))?.level ?? 'normal';
  }

  #follow(reading: Reading, pass: Pass): void {
    const { subject, some, full } = reading;
    if (some === null) return;
    const key = subjectKey(subject);
    const followed = this.#followed.get(key) ?? start();
    this.#followed.set(key, followed);
    const before = followed.level;
    const bySome = followed.some.next(pass.nowMs, some);
    const byFull = followed.full.next(pass.nowMs, full ?? 0);
    followed.level = levelIndex(bySome) >= levelIndex(byFull) ? bySome : byFull;
    if (before === 'normal' && followed.level !== 'normal') {
      const id = `${subject.id ?? 'system'}-${Math.round(pass.nowMs)}`;
      const peak = { level: followed.level, some, full };
      followed.episode = { id, beganMs: pass.nowMs - pass.windowMs, peak, stalledNs: 0 };
    }
    const { episode, level } = followed;
    if (!episode) return;
    extend(episode, { level, some, full, windowMs: pass.windowMs });
    if (level !== before) this.#report(reading, { level, previous: before, episode, pass });
    if (level === 'normal') followed.episode = undefined;
  }

  #report(
    { subject, some, full }: Reading,
    change: { level: PressureLevelName; previous: PressureLevelName; episode: Episode; pass: Pass },
  ): void {
    const { level, previous, episode, pass } = change;
    const facts = {
      subject,
      level,
      previous,
      episode: episode.id,
      windows: [{ window_seconds: pass.windowMs / 1000, some: some ?? 0, full }],
      decided_by_seconds: pass.windowMs / 1000,
      duration_ns: Math.round((pass.nowMs - episode.beganMs) * 1e6),
      peak: { ...episode.peak },
      // PSI does not count stalls, only the time in which at least one task was stalled.
      stalls: 0,
      stall_ns: { ...noStalls, other: Math.round(episode.stalledNs) },
    };
    const now = process.hrtime.bigint();
    const { envelopes, emit } = this.#options;
    const envelope = envelopes.next(now, realtimeOffsetNs(), severityOfLevel(level), 'psi', levelMessage(facts));
    emit({ ...envelope, type: 'pressure.level', ...facts });
  }
}

/** Adds one window to an episode. */
function extend(
  episode: Episode,
  window: { level: PressureLevelName; some: number; full: number | null; windowMs: number },
): void {
  const { level, some, full, windowMs } = window;
  const { peak } = episode;
  episode.stalledNs += some * windowMs * 1e6;
  if (levelIndex(level) > levelIndex(peak.level)) peak.level = level;
  peak.some = Math.max(peak.some, some);
  peak.full = full === null ? peak.full : Math.max(peak.full ?? 0, full);
}

function start(): Followed {
  const tracker = (of: 'some' | 'full') =>
    new LevelTracker({ thresholds: thresholds[of], hysteresis: HYSTERESIS, sustainMs: 0 });
  return { some: tracker('some'), full: tracker('full'), level: 'normal', episode: undefined };
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
