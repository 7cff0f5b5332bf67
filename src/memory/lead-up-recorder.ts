/**
 * The last minute of usage, pressure and growth, kept for when a kill comes: then it is too late to look.
 *
 * It looks once a second while memory moves, and less and less often, down to every 8 s, while it does not: an idle machine
 * is left asleep. Nothing in the kernel could wake it instead: what fills a cgroup stalls on nothing until it is full,
 * a millisecond before the kill. What it keeps is bounded: 1 KiB for each of at most 256 cgroups, and half a KiB of
 * growth for each of those and of at most 512 processes, 650 KiB in all.
 */
import type { LeadUp, LeadUpSample } from '../model/pressure.ts';
import { growthOf } from '../series/growth.ts';
import { type Reading, Survey, type SurveyOptions } from './survey.ts';

/** A minute at the fastest. */
const SAMPLES = 60;
const MOST_AGE_MS = 60_000;
const FASTEST_MS = 1000;
const SLOWEST_MS = 8000;
const GROWERS = 5;
/** More than a machine at rest moves. */
const SYSTEM_MOVED_BYTES = 4 * 2 ** 20;
const GROUP_MOVED_BYTES = 2 ** 20;

export class LeadUpRecorder implements Disposable {
  readonly #survey: Survey;
  readonly #times = new Float64Array(SAMPLES).fill(Number.NaN);
  readonly #rings = new Map<string, Ring>();
  readonly #anchors = new Map<Reading, number>();
  #pass = 0;
  #delayMs = FASTEST_MS;
  #timer: NodeJS.Timeout | undefined;

  /** @param options the clock is by default CLOCK_MONOTONIC, as the kernel's records have it */
  constructor(options: SurveyOptions = {}) {
    this.#survey = new Survey({ now: () => Number(process.hrtime.bigint()) / 1e6, ...options });
  }

  /** Looks now and goes on. It does not keep the process alive. */
  start(): void {
    this.look();
    this.#timer = setTimeout(() => this.start(), this.#delayMs);
    this.#timer.unref();
  }

  /** @returns in how many milliseconds to look again */
  look(): number {
    const place = this.#pass++ % SAMPLES;
    this.#times[place] = this.#survey.sample();
    this.#keep('', this.#survey.system, place);
    for (const [path, group] of this.#survey.groups) this.#keep(path, group, place);
    for (const group of this.#survey.gone) {
      this.#rings.delete(group.subject.path);
      this.#anchors.delete(group);
    }
    this.#delayMs = this.#moved() ? FASTEST_MS : Math.min(SLOWEST_MS, this.#delayMs * 2);
    return this.#delayMs;
  }

  /**
   * The minute before a moment. null: nothing is known of this cgroup; it was made since the last look, or there are too many.
   *
   * @param path of the cgroup whose limit was hit; undefined: the system
   * @param atMs CLOCK_MONOTONIC
   * @param usageBytes as the kernel told it for that moment
   */
  before(path: string | undefined, atMs: number, usageBytes?: number): LeadUp | null {
    const reading = path === undefined ? this.#survey.system : this.#survey.groups.get(path);
    const ring = this.#rings.get(path ?? '');
    if (!reading || !ring) return null;
    const samples: LeadUpSample[] = [];
    for (let i = Math.max(0, this.#pass - SAMPLES); i < this.#pass; i++) {
      const place = i % SAMPLES;
      const ageMs = atMs - (this.#times[place] as number);
      const used = ring.used[place] as number;
      if (Number.isNaN(used) || ageMs > MOST_AGE_MS || ageMs < 0) continue;
      samples.push({
        at_seconds: seconds(-ageMs),
        usage_bytes: used,
        available_bytes: known(ring.available[place] as number),
        some: known(ring.some[place] as number),
        full: known(ring.full[place] as number),
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

  #keep(key: string, reading: Reading, place: number): void {
    let ring = this.#rings.get(key);
    if (!ring) {
      ring = { used: empty(), available: empty(), some: empty(), full: empty() };
      this.#rings.set(key, ring);
    }
    ring.used[place] = reading.usedBytes;
    ring.available[place] = reading.availableBytes;
    ring.some[place] = reading.some ?? Number.NaN;
    ring.full[place] = reading.full ?? Number.NaN;
  }

  /** Against where it was when it last moved, so that what creeps is noticed too. */
  #moved(): boolean {
    let moved = (this.#survey.system.some ?? 0) > 0;
    const look = (reading: Reading, bytes: number) => {
      const anchor = this.#anchors.get(reading);
      if (anchor !== undefined && Math.abs(reading.usedBytes - anchor) < bytes) return;
      this.#anchors.set(reading, reading.usedBytes);
      moved = true;
    };
    look(this.#survey.system, SYSTEM_MOVED_BYTES);
    for (const group of this.#survey.groups.values()) {
      look(group, Math.min(GROUP_MOVED_BYTES, (group.limitBytes ?? Number.POSITIVE_INFINITY) / 64));
    }
    return moved;
  }
}

/** Of one cgroup or the system: places as in the ring of times, NaN where nothing is known. Single precision
 * counts pages of 4 KiB exactly up to 64 GiB. */
interface Ring {
  used: Float32Array;
  available: Float32Array;
  some: Float32Array;
  full: Float32Array;
}

const empty = () => new Float32Array(SAMPLES).fill(Number.NaN);
const seconds = (ms: number) => Math.round(ms) / 1000;
const known = (value: number) => (Number.isNaN(value) ? null : Math.round(value * 1e4) / 1e4);
