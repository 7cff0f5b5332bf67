/**
 * Finds the rules that fire. A rule fires at a place (the system or a cgroup) when each of its detectors has been true
 * there for the detector's time. Time in which the guard did not sample, because it was stopped, does not count. Places
 * and rules are independent of each other.
 */
import type { GuardReading } from '../../model/guard.ts';
import type { Sample, SampledCgroup } from '../../model/sample.ts';
import { globMatch } from '../../text/glob.ts';
import { lacksSwap, measure } from './metric.ts';
import { ObservedClock } from './observed-clock.ts';
import type { Detector, Place, Rule } from './rule.ts';

/** A rule that fires, with its place and the values of its detectors. */
export interface Fired {
  rule: Rule;
  /** The cgroup where the rule fires; undefined: the rule fires for the whole system. */
  cgroup: SampledCgroup | undefined;
  readings: GuardReading[];
}

export class Detectors {
  readonly #rules: readonly Rule[];
  readonly #clock: ObservedClock;
  /** When a detector became true at a place, by `#clock` (ms). An entry exists only while the detector is true. */
  readonly #since = new Map<Detector, Map<string, number>>();

  /** @param mostGapMs see ObservedClock */
  constructor(rules: readonly Rule[], mostGapMs?: number) {
    this.#rules = rules;
    this.#clock = new ObservedClock(mostGapMs);
  }

  /** Updates the time of every detector. @returns the rules that fire, in the order of the configuration */
  update(sample: Sample): Fired[] {
    const fired: Fired[] = [];
    this.#clock.advance(sample.mono_ms);
    for (const rule of this.#rules) {
      for (const cgroup of placesOf(rule.on, sample)) {
        const readings = rule.when.map((detector) => this.#read(detector, sample, cgroup));
        if (together(readings.map(({ fires }) => fires))) {
          fired.push({ rule, cgroup, readings: readings.map(({ reading }) => reading) });
        }
      }
    }
    this.#forget(sample);
    return fired;
  }

  #read(detector: Detector, sample: Sample, cgroup: SampledCgroup | undefined) {
    const value = measure(detector, sample.system, cgroup);
    const times = this.#since.get(detector) ?? new Map<string, number>();
    this.#since.set(detector, times);
    const place = cgroup?.path ?? '';
    let held = 0;
    if (value !== null && compare(value, detector)) {
      const since = times.get(place) ?? this.#clock.ms;
      times.set(place, since);
      held = this.#clock.ms - since;
    } else {
      times.delete(place);
    }
    const { text, limit, unit, forMs } = detector;
    return {
      reading: { detector: text, value, limit, unit, held_ns: Math.round(held * 1e6) },
      fires: lacksSwap(detector, sample.system, cgroup)
        ? ('as the others' as const)
        : times.has(place) && held >= forMs,
    };
  }

  /**
   * Forgets cgroups that were removed, because a cgroup that is created later with the same name is a different one.
   */
  #forget({ cgroups }: Sample): void {
    const there = new Set(['', ...cgroups.map(({ path }) => path)]);
    for (const times of this.#since.values()) {
      for (const place of times.keys()) if (!there.has(place)) times.delete(place);
    }
  }
}

/** Whether all these detectors are true now, regardless of how long. An empty list gives true. */
export function holdNow(detectors: readonly Detector[], sample: Sample, cgroup: SampledCgroup | undefined): boolean {
  if (detectors.length === 0) return true;
  return together(
    detectors.map((detector) => {
      if (lacksSwap(detector, sample.system, cgroup)) return 'as the others';
      const value = measure(detector, sample.system, cgroup);
      return value !== null && compare(value, detector);
    }),
  );
}

/** Whether detectors hold together: all of those that can be judged here, and at least one. */
export const together = (verdicts: readonly (boolean | 'as the others')[]): boolean =>
  verdicts.includes(true) && !verdicts.includes(false);

function compare(value: number, { operator, limit }: Detector): boolean {
  switch (operator) {
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
  }
}

/** The places that a rule watches; undefined stands for the system. */
export function placesOf(on: readonly Place[], { cgroups }: Sample): (SampledCgroup | undefined)[] {
  const chosen = cgroups.filter((cgroup) => on.some((place) => isAt(place, cgroup)));
  return on.some(({ kind }) => kind === 'system') ? [undefined, ...chosen] : chosen;
}

function isAt(place: Place, { path, container, limit_bytes }: SampledCgroup): boolean {
  switch (place.kind) {
    case 'system':
      return false;
    case 'containers':
      return container !== null;
    case 'limited':
      return limit_bytes !== null;
    case 'cgroup':
      return globMatch(place.glob, path);
  }
}
