/** Decides for one subject how short its memory is. Pure: the samples and their times are arguments. */
import { levelIndex, raisedLevels } from '../model/level.ts';
import type { Growth, PressureLevelName } from '../model/pressure.ts';
import type { ShortageCause } from '../model/shortage.ts';
import type { Patience } from './profile.ts';
import { HighGround, steadyGrowth } from './steady-growth.ts';

/** A sample of a subject that can run out of memory: the system, or a cgroup with a limit. */
export interface ShortageSample {
  /** "/" is the system. */
  path: string;
  /** The kernel's id of the cgroup. null: the system. */
  id: string | null;
  /** MemTotal; for a cgroup its limit, or its memory.high if that is lower. */
  limitBytes: number;
  /** Whether the kernel kills a process at this limit. It does not at memory.high. */
  kills: boolean;
  /** Memory that reclaim cannot free without swap. */
  unreclaimableBytes: number;
  /** The swap that may still be used. */
  swapLeftBytes: number;
  /** The stalled times so far, in nanoseconds. null: unknown. */
  someNs: number | null;
  fullNs: number | null;
  /** The memory that was evicted and soon read again, so far. null: unknown. */
  refaultBytes: number | null;
  /** The kernel's count of OOM kills in this subject. null: unknown. */
  oomKills: number | null;
}

/** What the samples of one subject say, before the other subjects are considered. */
export interface Verdict {
  level: PressureLevelName;
  /** null: `level` is `normal`. */
  cause: ShortageCause | null;
  some: number | null;
  full: number | null;
  refaultsPerSecond: number | null;
  growth: Growth | null;
  /** Whether nearly all of the limit cannot be reclaimed. */
  nearlyFull: boolean;
}

/** From this share of the limit on, memory that cannot be reclaimed leaves too little for pages of files. */
const FULL_SHARE = 0.9;
/** Evicted pages that are soon read again: this share of the limit a second shows that the working set does not fit. */
const REFAULT_SHARE = 0.05;
/** Pages of files that are read again are no proof of a shortage, so that the shares must be larger by this factor. */
const REFAULT_FACTOR = 2;
const REFAULT_MOST = 0.9;
/** For large limits, this many bytes a second show it. */
const REFAULT_BYTES = 64 * 2 ** 20;
/** Below this share of the limit, growth is not held against a subject: it may have just started. */
const GROWN_SHARE = 0.6;
/** When less than this share of the limit is left, also slow growth counts, if it reaches the limit within this time. */
const LAST_SHARE = 0.03;
const LAST_SECONDS = 8;

interface Totals {
  ms: number;
  sample: ShortageSample;
}

/** Follows one subject. */
export class ShortageFollower {
  readonly #patience: Patience;
  #history: Totals[] = [];
  #ground: HighGround;
  #limitBytes: number;

  constructor(patience: Patience, limitBytes: number) {
    this.#patience = patience;
    this.#limitBytes = limitBytes;
    this.#ground = new HighGround(limitBytes);
  }

  /** Adds a sample. */
  next(ms: number, sample: ShortageSample): Verdict {
    if (sample.limitBytes !== this.#limitBytes) {
      this.#limitBytes = sample.limitBytes;
      this.#ground = new HighGround(sample.limitBytes);
    }
    this.#history.push({ ms, sample });
    const { windowMs } = this.#patience;
    // The last sample before the window stays, so that the shares cover the whole window.
    while ((this.#history[1]?.ms ?? ms) <= ms - windowMs) this.#history.shift();
    const isNew = this.#ground.isNew({ ms, bytes: sample.unreclaimableBytes }, sample.oomKills);
    const growth = isNew ? this.#growth(sample) : null;
    const evidence = {
      ...this.#window(sample),
      nearlyFull: sample.unreclaimableBytes >= FULL_SHARE * sample.limitBytes,
    };
    const byLimit = limitLevel(sample, growth, this.#patience);
    const byStalls = stallLevel(evidence, sample, this.#patience);
    const isLimit = byLimit !== 'normal' && levelIndex(byLimit) >= levelIndex(byStalls);
    const level = isLimit ? byLimit : byStalls;
    return { ...evidence, level, growth, cause: level === 'normal' ? null : isLimit ? 'limit' : 'stalls' };
  }

  #growth({ limitBytes, unreclaimableBytes, swapLeftBytes }: ShortageSample): Growth | null {
    const left = Math.max(0, limitBytes - unreclaimableBytes) + swapLeftBytes;
    const samples = this.#history.map(({ ms, sample }) => ({ ms, bytes: sample.unreclaimableBytes }));
    return steadyGrowth(samples, left);
  }

  /** The shares of the last window. The time before the first sample counts as time without stalls. */
  #window(now: ShortageSample): Pick<Verdict, 'some' | 'full' | 'refaultsPerSecond'> {
    const { sample: first } = this.#history[0] as Totals;
    const { windowMs } = this.#patience;
    const per = (of: 'someNs' | 'fullNs' | 'refaultBytes', units: number) => {
      const [from, to] = [first[of], now[of]];
      return from === null || to === null ? null : Math.max(0, to - from) / units;
    };
    const share = (of: 'someNs' | 'fullNs') => {
      const found = per(of, windowMs * 1e6);
      return found === null ? null : Math.min(1, found);
    };
    const refaults = per('refaultBytes', windowMs / 1000);
    return { some: share('someNs'), full: share('fullNs'), refaultsPerSecond: refaults };
  }
}

function limitLevel(
  sample: ShortageSample,
  growth: Growth | null,
  { criticalMs, mediumMs }: Patience,
): PressureLevelName {
  const { limitBytes, kills, unreclaimableBytes, swapLeftBytes } = sample;
  const seconds = growth?.exhausted_in_seconds;
  if (seconds == null || !kills || unreclaimableBytes < GROWN_SHARE * limitBytes) return 'normal';
  const left = limitBytes - unreclaimableBytes + swapLeftBytes;
  if (seconds <= criticalMs / 1000 || (seconds <= LAST_SECONDS && left <= LAST_SHARE * limitBytes)) return 'critical';
  return seconds <= mediumMs / 1000 ? 'medium' : 'normal';
}

function stallLevel(
  { some, full, nearlyFull, refaultsPerSecond }: Pick<Verdict, 'some' | 'full' | 'nearlyFull' | 'refaultsPerSecond'>,
  { limitBytes }: ShortageSample,
  patience: Patience,
): PressureLevelName {
  const isAtLeast = (share: number | null, least: number) => (share ?? 0) >= least;
  const factored = (share: number) =>
    nearlyFull ? share : Math.max(share, Math.min(REFAULT_MOST, REFAULT_FACTOR * share));
  const reaches = (level: (typeof raisedLevels)[number]) =>
    isAtLeast(some, factored(patience[level].some)) || isAtLeast(full, factored(patience[level].full));
  const reached = [...raisedLevels].reverse().find(reaches);
  if (!reached) return 'normal';
  const thrashes = (refaultsPerSecond ?? 0) >= Math.min(REFAULT_SHARE * limitBytes, REFAULT_BYTES);
  if (nearlyFull || thrashes) return reached;
  return reaches('low') ? 'low' : 'normal';
}
