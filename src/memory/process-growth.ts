import { ownerOf } from '../containers/container-path.ts';
import type { PressureSubject, ProcessUsage } from '../model/pressure.ts';
import { GrowthWindow } from '../series/growth.ts';
import { isWithin } from '../text/cgroup-path.ts';
import { largest, type ProcessSample, type ProcessSource } from './process-sampler.ts';

/** The growth of processes with less resident memory is not measured. */
const FOLLOWED_BYTES = 2 ** 20;
const MOST_FOLLOWED = 512;

/** The processes of the last pass, and the growth of the large ones. */
export class ProcessGrowth implements Disposable {
  readonly #source: ProcessSource;
  readonly #followed = new Map<number, { startTicks: number; growth: GrowthWindow }>();
  #latest: ReadonlyMap<number, ProcessSample> = new Map();

  /** @param source close() also closes it */
  constructor(source: ProcessSource) {
    this.#source = source;
  }

  sample(): void {
    this.#latest = this.#source.sample();
    for (const [pid, { startTicks }] of this.#followed) {
      if (this.#latest.get(pid)?.startTicks !== startTicks) this.#followed.delete(pid);
    }
    for (const process of this.#latest.values()) {
      let followed = this.#followed.get(process.pid);
      if (!followed) {
        if (process.rssBytes < FOLLOWED_BYTES || this.#followed.size >= MOST_FOLLOWED) continue;
        followed = { startTicks: process.startTicks, growth: new GrowthWindow() };
        this.#followed.set(process.pid, followed);
      }
      followed.growth.add(process.readMs / 1000, process.rssBytes + (process.swapBytes ?? 0));
    }
  }

  /** The largest processes of a subject, the largest first. */
  top(subject: PressureSubject, most: number): ProcessUsage[] {
    return largest(this.#of(subject), most).map((process) => this.#usage(process));
  }

  /** The processes of a subject that grow, the fastest first. */
  growers(subject: PressureSubject, most: number): ProcessUsage[] {
    return [...this.#of(subject)]
      .map((process) => ({ process, speed: this.#speed(process) ?? 0 }))
      .filter(({ speed }) => speed > 0)
      .sort((a, b) => b.speed - a.speed)
      .slice(0, most)
      .map(({ process }) => this.#usage(process));
  }

  close(): void {
    this.#source.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  *#of({ scope, path }: PressureSubject): Generator<ProcessSample> {
    for (const process of this.#latest.values()) {
      if (!process.kernelThread && (scope === 'system' || isWithin(process.cgroup, path))) yield process;
    }
  }

  #usage(process: ProcessSample): ProcessUsage {
    return {
      pid: process.pid,
      start_ticks: process.startTicks,
      comm: process.comm,
      cgroup: process.cgroup,
      ...ownerOf(process.cgroup),
      rss_bytes: process.rssBytes,
      swap_bytes: process.swapBytes,
      growth_bytes_per_second: this.#speed(process),
    };
  }

  /** The growth in bytes per second. null: it is not measured, or there are too few samples. */
  #speed({ pid }: ProcessSample): number | null {
    const slope = this.#followed.get(pid)?.growth.slope();
    return slope ? Math.round(slope.perSecond) : null;
  }
}
