/**
 * Levels of usage: how full the system and the memory cgroups are. That is not pressure: what is full may be at ease.
 */

import { asyncScheduler, Observable, type SchedulerLike, timer } from 'rxjs';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { OomscopeError } from '../model/error.ts';
import type { Envelope } from '../model/events.ts';
import { severityOfLevel } from '../model/level.ts';
import type { Growth, PressureLevelName, UsageLevel } from '../model/pressure.ts';
import { growthOf } from '../series/growth.ts';
import { type LevelOptions, Levels } from '../series/levels.ts';
import { formatBytes, formatRate, formatSpan } from '../text/format.ts';
import { globMatch } from '../text/glob.ts';
import { printable } from '../text/printable.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import { type Reading, Survey, type SurveyOptions } from './survey.ts';

/** Options of `watchUsage()`. */
export interface UsageOptions extends Partial<LevelOptions>, SurveyOptions {
  /** How often to look. Default 1000. */
  intervalMs?: number;
  /** Only cgroups whose path fits one of these globs; none: all that have a limit. The system is always watched. */
  groups?: readonly string[];
  /** Shared with a tracer, so that ids and `seq` are of one row. */
  envelopes?: EnvelopeFactory;
  /** Of RxJS, for tests. */
  scheduler?: SchedulerLike;
}

export const defaultLevels: LevelOptions = { thresholds: [0.7, 0.85, 0.95], hysteresis: 0.03, sustainMs: 2000 };
const TOP = 5;

const names: OptionNames<UsageOptions> = {
  thresholds: true,
  hysteresis: true,
  sustainMs: true,
  intervalMs: true,
  groups: true,
  envelopes: true,
  scheduler: true,
  proc: true,
  cgroups: true,
  processes: true,
  now: true,
  pressure: true,
  mostGroups: true,
};

/**
 * An event each time that a level changes, and the first one for what is above `normal` already. Cold: each subscription
 * looks for itself. A cgroup that is removed ends with `normal`.
 *
 * @throws OomscopeError USAGE, for thresholds that do not rise
 */
export function watchUsage(options: UsageOptions = {}): Observable<UsageLevel> {
  refuseUnknownOptions('watchUsage()', options, names);
  const levels = { ...defaultLevels, ...defined(options) };
  checkLevels(levels);
  const { intervalMs = 1000, scheduler } = options;
  if (!(intervalMs >= 10)) throw new OomscopeError('USAGE', `intervalMs: expected at least 10, got ${intervalMs}.`);
  return new Observable((subscriber) => {
    // The clock of RxJS's own scheduler is the wall's, which may jump.
    const survey = new Survey({ ...options, ...(scheduler && { now: () => scheduler.now() }) });
    const { envelopes, groups = [] } = options;
    const wants = (path: string) => groups.length === 0 || groups.some((glob) => globMatch(glob, path));
    const watch = new UsageWatch(survey, levels, { wants, envelopes }, (event) => subscriber.next(event));
    const ticks = timer(0, intervalMs, scheduler ?? asyncScheduler).subscribe({
      next: () => {
        watch.look(survey.sample());
      },
      error: (error) => subscriber.error(error),
    });
    return () => {
      ticks.unsubscribe();
      survey.close();
    };
  });
}

/** The levels of one survey, for whoever samples it himself: call `look` after each pass. */
export class UsageWatch {
  readonly #survey: Survey;
  readonly #levels: LevelOptions;
  readonly #wants: (path: string) => boolean;
  readonly #envelopes: EnvelopeFactory;
  readonly #emit: (event: UsageLevel) => void;
  readonly #system: Levels;
  readonly #ofGroups = new Map<string, Levels>();

  constructor(
    survey: Survey,
    levels: LevelOptions,
    options: { wants: (path: string) => boolean; envelopes: EnvelopeFactory | undefined },
    emit: (event: UsageLevel) => void,
  ) {
    this.#survey = survey;
    this.#levels = levels;
    this.#wants = options.wants;
    this.#envelopes = options.envelopes ?? new EnvelopeFactory();
    this.#emit = emit;
    this.#system = new Levels(levels);
  }

  look(nowMs: number): void {
    this.#follow(this.#survey.system, this.#system, nowMs);
    for (const [path, group] of this.#survey.groups) {
      if (group.limitBytes === null || !this.#wants(path)) continue;
      const levels = this.#ofGroups.get(path) ?? new Levels(this.#levels);
      this.#ofGroups.set(path, levels);
      this.#follow(group, levels, nowMs);
    }
    for (const group of this.#survey.gone) {
      const before = this.#ofGroups.get(group.subject.path)?.level ?? 'normal';
      this.#ofGroups.delete(group.subject.path);
      if (before !== 'normal') this.#emit(this.#event({ ...group, usedBytes: 0 }, 'normal', before, true));
    }
  }

  #follow(reading: Reading, levels: Levels, nowMs: number): void {
    if (!reading.limitBytes) return; // /proc/meminfo could not be read
    const before = levels.level;
    const level = levels.next(nowMs, reading.usedBytes / reading.limitBytes);
    if (level !== before) this.#emit(this.#event(reading, level, before, false));
  }

  #event(reading: Reading, level: PressureLevelName, previous: PressureLevelName, gone: boolean): UsageLevel {
    const { subject, limitBytes, usedBytes, availableBytes } = reading;
    const { swapTotalBytes, swapFreeBytes } = this.#survey.system;
    const whole = subject.scope === 'system';
    const facts = {
      subject,
      level,
      previous,
      used: limitBytes ? Math.round((usedBytes / limitBytes) * 1e4) / 1e4 : 0,
      used_bytes: usedBytes,
      available_bytes: availableBytes,
      limit_bytes: limitBytes,
      swap_total_bytes: whole ? swapTotalBytes : null,
      swap_free_bytes: whole ? swapFreeBytes : null,
      growth: gone ? null : growthOf(reading.growth.slope(), availableBytes),
      top: this.#survey.top(subject, TOP),
    };
    const message = gone ? `${printable(subject.path)} was removed.` : usageMessage(facts);
    const now = process.hrtime.bigint();
    const envelope = this.#envelopes.next(now, realtimeOffsetNs(), severityOfLevel(level), 'oomscope:usage', message);
    return { ...envelope, type: 'memory.usage', ...facts };
  }
}

function usageMessage(facts: Omit<UsageLevel, keyof Envelope | 'type'>): string {
  const { subject, level, previous, used, limit_bytes, growth, top } = facts;
  const who = subject.scope === 'system' ? 'The system' : printable(subject.path);
  const of = limit_bytes === null ? '' : ` of its ${formatBytes(limit_bytes)}`;
  const largest = top[0]
    ? ` Largest: ${printable(top[0].comm)} (pid ${top[0].pid}), ${formatBytes(top[0].rss_bytes)}.`
    : '';
  return `${who} uses ${(used * 100).toFixed(1)} %${of}: ${level}, was ${previous}.${forecast(growth)}${largest}`;
}

/** " It grows +1.0 MiB/s ± 12 KiB/s and is full in 20 s (19 s to 21 s)."; empty when it does not grow for sure. */
export function forecast(growth: Growth | null): string {
  const soonest = growth?.exhausted_in_seconds_range?.[0];
  if (!growth || soonest == null || growth.exhausted_in_seconds === null) return '';
  if (growth.bytes_per_second <= growth.uncertainty_bytes_per_second) return '';
  const latest = growth.exhausted_in_seconds_range?.[1];
  const speed = `${formatRate(growth.bytes_per_second)} ± ${formatBytes(growth.uncertainty_bytes_per_second)}/s`;
  const range = latest == null ? `${formatSpan(soonest)} or later` : `${formatSpan(soonest)} to ${formatSpan(latest)}`;
  return ` It grows ${speed} and is full in ${formatSpan(growth.exhausted_in_seconds)} (${range}).`;
}

/** @throws OomscopeError USAGE */
export function checkLevels({ thresholds, hysteresis, sustainMs }: LevelOptions): void {
  const [low, medium, critical] = thresholds;
  if (!(low > 0 && low < medium && medium < critical && critical <= 1)) {
    const got = thresholds.join(', ');
    throw new OomscopeError('USAGE', `thresholds: expected three rising shares above 0, at most 1, got ${got}.`);
  }
  if (!(hysteresis >= 0 && hysteresis < low)) {
    throw new OomscopeError('USAGE', `hysteresis: expected a share from 0 to below ${low}, got ${hysteresis}.`);
  }
  if (!(sustainMs >= 0)) throw new OomscopeError('USAGE', `sustainMs: expected 0 or more, got ${sustainMs}.`);
}

function defined({ thresholds, hysteresis, sustainMs }: UsageOptions): Partial<LevelOptions> {
  return {
    ...(thresholds !== undefined && { thresholds }),
    ...(hysteresis !== undefined && { hysteresis }),
    ...(sustainMs !== undefined && { sustainMs }),
  };
}
