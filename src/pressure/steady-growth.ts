import type { Growth } from '../model/pressure.ts';
import { GrowthWindow, growthOf } from '../series/growth.ts';

/** A usage at a time. */
export interface UsageAt {
  ms: number;
  /** Memory that reclaim cannot free. */
  bytes: number;
}

/** The growth is measured over the shortest of these times over which it is steady (ms). */
const SPANS_MS = [1200, 3000, 10_000];
/** A span counts if its samples cover this part of it. */
const COVERED = 0.75;
/** Growth is steady if the 95 % confidence interval is at most this part of the growth on either side. */
const STEADY = 0.5;

/**
 * Measures growth that is steady. null: the usage does not grow, the growth is not steady, or it is younger than 0.9 s.
 *
 * @param samples the oldest first
 * @param leftBytes the memory that is left
 */
export function steadyGrowth(samples: readonly UsageAt[], leftBytes: number): Growth | null {
  const last = samples.at(-1);
  if (!last) return null;
  for (const spanMs of SPANS_MS) {
    const young = samples.filter(({ ms }) => last.ms - ms <= spanMs);
    if (young.length < 3 || last.ms - (young[0]?.ms ?? last.ms) < COVERED * spanMs) continue;
    const window = new GrowthWindow(young.length);
    for (const { ms, bytes } of young) window.add(ms / 1000, bytes);
    const growth = growthOf(window.slope(), leftBytes);
    if (!growth || growth.bytes_per_second <= 0) continue;
    if (growth.uncertainty_bytes_per_second <= STEADY * growth.bytes_per_second) return growth;
  }
  return null;
}

/** A usage that fell by this part of the limit has left its highest point behind. */
const FALL = 0.01;
/** Growth is over new ground if it exceeds the highest point by this part of the limit. */
const BEYOND = 0.01;
/** A highest point is forgotten after this time (ms). */
const REMEMBERED_MS = 600_000;

/**
 * Remembers how high a usage has been. A heap whose garbage is collected rises again and again to the same height, which
 * says nothing about a shortage. Growth beyond this height does.
 */
export class HighGround {
  readonly #limitBytes: number;
  #top = 0;
  #left: UsageAt | undefined;
  #kills: number | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * Adds a usage. @returns whether it is higher than it has been before the present rise
   *
   * @param kills the kernel's count of OOM kills: a rise that ended in a kill may end so again, and is forgotten
   */
  isNew({ ms, bytes }: UsageAt, kills: number | null): boolean {
    if (this.#kills !== kills) {
      this.#left = undefined;
      this.#top = bytes;
      this.#kills = kills;
    }
    if (this.#left && ms - this.#left.ms > REMEMBERED_MS) this.#left = undefined;
    if (bytes < this.#top - FALL * this.#limitBytes) {
      if (this.#top >= (this.#left?.bytes ?? 0)) this.#left = { ms, bytes: this.#top };
      this.#top = bytes;
    }
    this.#top = Math.max(this.#top, bytes);
    return bytes > (this.#left ? this.#left.bytes + BEYOND * this.#limitBytes : 0);
  }
}
