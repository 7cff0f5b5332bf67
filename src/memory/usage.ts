/**
 * Levels of memory usage of the system and of the memory cgroups. Usage is not pressure: a cgroup may be full although
 * none of its tasks is stalled.
 */
import { asyncScheduler, Observable, type SchedulerLike, timer } from 'rxjs';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { OomscopeError } from '../model/error.ts';
import type { Envelope } from '../model/events.ts';
import { severityOfLevel } from '../model/level.ts';
import type { Growth, PressureLevelName, UsageLevel } from '../model/pressure.ts';
import { growthOf } from '../series/growth.ts';
import { type LevelOptions, LevelTracker } from '../series/level-tracker.ts';
import { formatBytes, formatRate, formatSpan } from '../text/format.ts';
import { globMatch } from '../text/glob.ts';
import { printable } from '../text/printable.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import { type Reading, Survey, type SurveyOptions } from './survey.ts';

/** Options of `watchUsage()`. */
export interface UsageOptions extends Partial<LevelOptions>, SurveyOptions {
  /** The interval between samples in milliseconds, at least 10. Default 1000. */
  intervalMs?: number;
  /** Globs over the paths of cgroups. Default: all cgroups that have a limit. The system is always watched. */
  groups?: readonly string[];
  /** The EnvelopeFactory of a tracer, so that ids and `seq` continue the tracer's. */
  envelopes?: EnvelopeFactory;
  /** A scheduler of RxJS, for tests with a virtual clock. */
  scheduler?: SchedulerLike;
}

/** The thresholds and the hysteresis are shares of the limit. */
export const defaultLevels: LevelOptions = { thresholds: [0.7, 0.85, 0.95], hysteresis: 0.03, sustainMs: 2000 };
/** The number of largest processes in an event. */
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
 * Emits an event each time a level of usage changes, and initially one for each subject that is already above `normal`.
 * Cold: each subscription takes its own samples. If a cgroup above `normal` is removed, its last event has the level
 * `normal`.
 *
 * @throws OomscopeError USAGE: an option does not exist, thresholds do not rise, or a value is out of range
 */
export function watchUsage(options: UsageOptions = {}): Observable<UsageLevel> {
  refuseUnknownOptions('watchUsage()', options, names);
  const levels = { ...defaultLevels, ...defined(options) };
  checkLevels(levels);
  const { intervalMs = 1000, scheduler, groups = [] } = options;
  if (!(intervalMs >= 10)) throw new OomscopeError('USAGE', `intervalMs: expected at least 10, got ${intervalMs}.`);
  return new Observable((subscriber) => {
    // The default scheduler of RxJS reads the wall clock, which may jump, so only a given scheduler serves as the
    // clock.
    const survey = new Survey({ ...options, ...(scheduler && { now: () => scheduler.now() }) });
    const tracker = new UsageLevelTracker({
      survey,
      levels,
      envelopes: options.envelopes ?? new EnvelopeFactory(),
      wants: (path) => groups.length === 0 || groups.some((glob) => globMatch(glob, path)),
      emit: (event) => subscriber.next(event),
    });
    const ticks = timer(0, intervalMs, scheduler ?? asyncScheduler).subscribe({
      next: () => tracker.update(survey.sample()),
      error: (error) => subscriber.error(error),
    });
    return () => {
      ticks.unsubscribe();
      survey.close();
    };
  });
}

export interface UsageLevelOptions {
  /** The caller calls its sample() and passes the result to update(). */
  survey: Survey;
  levels: LevelOptions;
  envelopes: EnvelopeFactory;
  /** Whether to report the levels of this cgroup. */
  wants: (path: string) => boolean;
  emit: (event: UsageLevel) => void;
  /** Whether every event is only `info`, because other events say when memory is short. Default false. */
  quiet?: boolean;
}

/** Emits an event each time the level of usage of the system or of a cgroup in the survey changes. */
export class UsageLevelTracker {
  readonly #options: UsageLevelOptions;
  readonly #system: LevelTracker;
  readonly #groups = new Map<string, LevelTracker>();

  constructor(options: UsageLevelOptions) {
    this.#options = options;
    this.#system = new LevelTracker(options.levels);
  }

  /** @param nowMs the time of the survey's last pass */
  update(nowMs: number): void {
    const { survey, levels, wants } = this.#options;
    this.#follow(survey.system, this.#system, nowMs);
    for (const [path, group] of survey.groups) {
      if (group.limitBytes === null || !wants(path)) continue;
      const tracker = this.#groups.get(path) ?? new LevelTracker(levels);
      this.#groups.set(path, tracker);
      this.#follow(group, tracker, nowMs);
    }
    for (const group of survey.gone) {
      const previous = this.#groups.get(group.subject.path)?.level ?? 'normal';
      this.#groups.delete(group.subject.path);
      if (previous !== 'normal') this.#report({ ...group, usedBytes: 0 }, { level: 'normal', previous, gone: true });
    }
  }

  #follow(reading: Reading, tracker: LevelTracker, nowMs: number): void {
    if (!reading.limitBytes) return; // /proc/meminfo could not be read
    const previous = tracker.level;
    const level = tracker.next(nowMs, reading.usedBytes / reading.limitBytes);
    if (level !== previous) this.#report(reading, { level, previous, gone: false });
  }

  #report(reading: Reading, change: { level: PressureLevelName; previous: PressureLevelName; gone: boolean }): void {
    const { survey, envelopes, emit, quiet } = this.#options;
    const { subject, limitBytes, usedBytes, availableBytes } = reading;
    const { level, previous, gone } = change;
    const whole = subject.scope === 'system';
    const facts = {
      subject,
      level,
      previous,
      used: limitBytes ? Math.round((usedBytes / limitBytes) * 1e4) / 1e4 : 0,
      used_bytes: usedBytes,
      available_bytes: availableBytes,
      limit_bytes: limitBytes,
      swap_total_bytes: whole ? survey.system.swapTotalBytes : null,
      swap_free_bytes: whole ? survey.system.swapFreeBytes : null,
      growth: gone ? null : growthOf(reading.growth.slope(), availableBytes),
      top: survey.top(subject, TOP),
    };
    const message = gone ? `${printable(subject.path)} was removed.` : usageMessage(facts);
    const now = process.hrtime.bigint();
    const severity = quiet ? 'info' : severityOfLevel(level);
    const envelope = envelopes.next(now, realtimeOffsetNs(), severity, 'oomscope:usage', message);
    emit({ ...envelope, type: 'memory.usage', ...facts });
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

/**
 * Formats growth as a sentence: " It grows +1.0 MiB/s ± 12 KiB/s and is full in 20 s (19 s to 21 s)."
 *
 * @returns an empty text when the growth is not larger than its uncertainty
 */
export function forecast(growth: Growth | null): string {
  const soonest = growth?.exhausted_in_seconds_range?.[0];
  if (!growth || soonest == null || growth.exhausted_in_seconds === null) return '';
  if (growth.bytes_per_second <= growth.uncertainty_bytes_per_second) return '';
  const latest = growth.exhausted_in_seconds_range?.[1];
  const speed = `${formatRate(growth.bytes_per_second)} ± ${formatBytes(growth.uncertainty_bytes_per_second)}/s`;
  const range = latest == null ? `${formatSpan(soonest)} or later` : `${formatSpan(soonest)} to ${formatSpan(latest)}`;
  return ` It grows ${speed} and is full in ${formatSpan(growth.exhausted_in_seconds)} (${range}).`;
}

/** Checks the options. @throws OomscopeError USAGE: thresholds do not rise, or a value is out of range */
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
