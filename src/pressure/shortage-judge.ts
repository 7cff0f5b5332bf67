/** Decides which shortages of memory are reported. Pure: the samples and their times are arguments. */
import { levelIndex } from '../model/level.ts';
import type { PressureLevelName } from '../model/pressure.ts';
import { isWithin } from '../text/cgroup-path.ts';
import type { Patience } from './profile.ts';
import { ShortageFollower, type ShortageSample, type Verdict } from './shortage-verdict.ts';

/** A level that is to be reported. */
export interface ShortageChange {
  sample: ShortageSample;
  verdict: Verdict;
  level: PressureLevelName;
  previous: PressureLevelName;
  peak: PressureLevelName;
  /** When the episode began (ms). */
  beganMs: number;
}

interface Followed {
  follower: ShortageFollower;
  sample: ShortageSample;
  verdict: Verdict;
  /** The reported level. */
  level: PressureLevelName;
  peak: PressureLevelName;
  beganMs: number;
  /** Since when the level would be lower (ms). undefined: it would not. */
  belowSinceMs: number | undefined;
}

/** A level that was reported about a subject, which explains the stalls of every cgroup above it. */
interface Told {
  level: PressureLevelName;
  ms: number;
}

/**
 * Follows all subjects, and reports each shortage once, for the lowest subject concerned: the stalled times of a cgroup
 * are also those of every cgroup above it and of the system.
 */
export class ShortageJudge {
  readonly #patience: Patience;
  readonly #followed = new Map<string, Followed>();
  readonly #told = new Map<string, Told>();

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** The reported level of a subject. */
  levelOf(path: string): PressureLevelName {
    return this.#followed.get(path)?.level ?? 'normal';
  }

  /**
   * Adds a pass of samples. A subject that is missing was removed.
   *
   * @param ms the time by a clock that does not jump
   */
  judge(ms: number, samples: readonly ShortageSample[]): ShortageChange[] {
    const present = new Set(samples.map(({ path }) => path));
    const changes = this.#forget(present);
    for (const [path, told] of this.#told) if (ms - told.ms > this.#patience.windowMs) this.#told.delete(path);
    for (const sample of samples) this.#follow(ms, sample);
    const soonest = samples.filter(({ path }) => !this.#isBehindAnother(path));
    for (const { path } of [...soonest].sort((a, b) => depth(b.path) - depth(a.path))) {
      const followed = this.#followed.get(path) as Followed;
      const change = this.#decide(ms, followed, this.#isExplained(followed) ? 'normal' : followed.verdict.level);
      if (change) changes.push(change);
    }
    for (const { path } of samples.filter((sample) => !soonest.includes(sample))) {
      const change = this.#decide(ms, this.#followed.get(path) as Followed, 'normal');
      if (change) changes.push(change);
    }
    return changes;
  }

  #follow(ms: number, sample: ShortageSample): void {
    const known = this.#followed.get(sample.path);
    const follower = known?.follower ?? new ShortageFollower(this.#patience, sample.limitBytes);
    const verdict = follower.next(ms, sample);
    if (known) Object.assign(known, { sample, verdict });
    else {
      const start = { level: 'normal', peak: 'normal', beganMs: ms, belowSinceMs: undefined } as const;
      this.#followed.set(sample.path, { follower, sample, verdict, ...start });
    }
  }

  /** Whether a limit above or below this one is reached sooner. The growth of a cgroup is also that of those above it. */
  #isBehindAnother(path: string): boolean {
    const { verdict } = this.#followed.get(path) as Followed;
    if (verdict.cause !== 'limit') return false;
    const seconds = (of: Verdict) => of.growth?.exhausted_in_seconds ?? Number.POSITIVE_INFINITY;
    return [...this.#followed].some(([other, { verdict: theirs }]) => {
      if (other === path || theirs.cause !== 'limit') return false;
      const sooner = seconds(theirs) - seconds(verdict);
      if (isWithin(other, path)) return sooner <= 0;
      return isWithin(path, other) && sooner < 0;
    });
  }

  /** Whether a cgroup below was reported, so that its stalls may be all the stalls of this subject. */
  #isExplained({ sample, verdict }: Followed): boolean {
    if (verdict.cause !== 'stalls') return false;
    for (const [path, told] of this.#told) {
      const isBelow = path !== sample.path && isWithin(path, sample.path);
      if (isBelow && levelIndex(told.level) >= levelIndex(verdict.level)) return true;
    }
    return false;
  }

  #decide(ms: number, followed: Followed, wanted: PressureLevelName): ShortageChange | undefined {
    const { level, sample } = followed;
    const by = levelIndex(wanted) - levelIndex(level);
    if (level !== 'normal') this.#told.set(sample.path, { level, ms });
    if (by >= 0) followed.belowSinceMs = undefined;
    if (by === 0) return undefined;
    if (by < 0) {
      followed.belowSinceMs ??= ms;
      if (ms - followed.belowSinceMs < this.#patience.coolDownMs) return undefined;
      followed.belowSinceMs = undefined;
    }
    if (level === 'normal') Object.assign(followed, { beganMs: ms, peak: wanted });
    if (levelIndex(wanted) > levelIndex(followed.peak)) followed.peak = wanted;
    followed.level = wanted;
    if (wanted !== 'normal') this.#told.set(sample.path, { level: wanted, ms });
    const { verdict, peak, beganMs } = followed;
    return { sample, verdict, level: wanted, previous: level, peak, beganMs };
  }

  /** Ends the episodes of subjects that were removed. */
  #forget(present: ReadonlySet<string>): ShortageChange[] {
    const changes: ShortageChange[] = [];
    for (const [path, { sample, verdict, level, peak, beganMs }] of this.#followed) {
      if (present.has(path)) continue;
      this.#followed.delete(path);
      if (level !== 'normal') changes.push({ sample, verdict, level: 'normal', previous: level, peak, beganMs });
    }
    return changes;
  }
}

const depth = (path: string) => (path === '/' ? 0 : path.split('/').length);
