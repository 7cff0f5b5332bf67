import type { LeadUp, LeadUpSample } from '../model/pressure.ts';
import { growthOf } from '../series/growth.ts';
import { type Reading, Survey, type SurveyOptions } from './survey.ts';

/** The number of samples kept: one minute at the shortest interval. */
const SAMPLES = 60;
const MOST_AGE_MS = 60_000;
const FASTEST_MS = 1000;
const SLOWEST_MS = 8000;
const GROWERS = 5;
/** Smaller changes of usage count as no change, because they also occur on an idle machine. */
const SYSTEM_MOVED_BYTES = 4 * 2 ** 20;
const GROUP_MOVED_BYTES = 2 ** 20;

/**
 * Keeps samples of usage, pressure and growth of the last minute. The event of a kill includes them.
 *
 * It samples once a second while memory usage changes. While usage does not change, it doubles the interval, up to 8 s,
 * so that an idle machine can sleep. A PSI trigger cannot replace this: a process that fills a cgroup does not stall
 * until the cgroup is full, a millisecond before the kill. It keeps at most 650 KiB: 1 KiB of samples for each of at
 * most 256 cgroups, and half a KiB of growth for each of these cgroups and of at most 512 processes.
 */
export class LeadUpRecorder implements Disposable {
  readonly #survey: Survey;
  readonly #times = new Float64Array(SAMPLES).fill(Number.NaN);
  readonly #rings = new Map<string, Ring>();
  readonly #anchors = new Map<Reading, number>();
  #pass = 0;
  #delayMs = FASTEST_MS;
  #timer: NodeJS.Timeout | undefined;

  /** @param options `now` defaults to CLOCK_MONOTONIC, the clock of the kernel's records */
  constructor(options: SurveyOptions = {}) {
    this.#survey = new Survey({ now: () => Number(process.hrtime.bigint()) / 1e6, ...options });
  }

  /** Takes a sample and schedules the next ones. The timer does not keep the process alive. */
  start(): void {
    this.sample();
    this.#timer = setTimeout(() => this.start(), this.#delayMs);
    this.#timer.unref();
  }

  /** Takes one sample. @returns milliseconds until the next one should be taken */
  sample(): number {
    const slot = this.#pass++ % SAMPLES;
    this.#times[slot] = this.#survey.sample();
    this.#keep('', this.#survey.system, slot);
    for (const [path, group] of this.#survey.groups) this.#keep(path, group, slot);
    for (const group of this.#survey.gone) {
      this.#rings.delete(group.subject.path);
      this.#anchors.delete(group);
    }
    this.#delayMs = this.#moved() ? FASTEST_MS : Math.min(SLOWEST_MS, this.#delayMs * 2);
    return this.#delayMs;
  }

  /**
   * The samples of the minute before a moment. null: there is no sample of this cgroup, because it is too new or there
   * are too many cgroups.
   *
   * @param path the cgroup whose limit was hit. undefined: the system
   * @param atMs milliseconds of CLOCK_MONOTONIC
   * @param usageBytes the usage at that moment, if the kernel's record has it
   */
  before(path: string | undefined, atMs: number, usageBytes?: number): LeadUp | null {
    const reading = path === undefined ? this.#survey.system : this.#survey.groups.get(path);
    const ring = this.#rings.get(path ?? '');
    if (!reading || !ring) return null;
    const samples: LeadUpSample[] = [];
    for (let i = Math.max(0, this.#pass - SAMPLES); i < this.#pass; i++) {
      const slot = i % SAMPLES;
      const ageMs = atMs - (this.#times[slot] as number);
      const used = ring.used[slot] as number;
      if (Number.isNaN(used) || ageMs > MOST_AGE_MS || ageMs < 0) continue;
      samples.push({
        at_seconds: seconds(-ageMs),
        usage_bytes: used,
        available_bytes: known(ring.available[slot] as number),
        some: known(ring.some[slot] as number),
        full: known(ring.full[slot] as number),
      });
    }
    if (usageBytes !== undefined) {
      samples.push({ at_seconds: 0, usage_bytes: usageBytes, available_bytes: null, some: null, full: null });
    }
    const { subject } = reading;
    return {
      subject,
      samples,
      growth: growthOf(reading.growth.slope(), reading.availableBytes),
      growers: this.#survey.growers(subject, GROWERS),
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#survey.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #keep(key: string, reading: Reading, slot: number): void {
    let ring = this.#rings.get(key);
    if (!ring) {
      ring = { used: empty(), available: empty(), some: empty(), full: empty() };
      this.#rings.set(key, ring);
    }
    ring.used[slot] = reading.usedBytes;
    ring.available[slot] = reading.availableBytes;
    ring.some[slot] = reading.some ?? Number.NaN;
    ring.full[slot] = reading.full ?? Number.NaN;
  }

  /** Whether usage has changed since the last sample with a change, so that slow growth is noticed, too. */
  #moved(): boolean {
    let moved = (this.#survey.system.some ?? 0) > 0;
    const compare = (reading: Reading, bytes: number) => {
      const anchor = this.#anchors.get(reading);
      if (anchor !== undefined && Math.abs(reading.usedBytes - anchor) < bytes) return;
      this.#anchors.set(reading, reading.usedBytes);
      moved = true;
    };
    compare(this.#survey.system, SYSTEM_MOVED_BYTES);
    for (const group of this.#survey.groups.values()) {
      compare(group, Math.min(GROUP_MOVED_BYTES, (group.limitBytes ?? Number.POSITIVE_INFINITY) / 64));
    }
    return moved;
  }
}

/**
 * The samples of one cgroup or the system, at the same indexes as in #times. NaN: unknown. Single precision represents
 * multiples of 4 KiB exactly up to 64 GiB.
 */
interface Ring {
  used: Float32Array;
  available: Float32Array;
  some: Float32Array;
  full: Float32Array;
}

const empty = () => new Float32Array(SAMPLES).fill(Number.NaN);
const seconds = (ms: number) => Math.round(ms) / 1000;
const known = (value: number) => (Number.isNaN(value) ? null : Math.round(value * 1e4) / 1e4);
