/**
 * Everything that nobody will see is counted here, and said.
 */
import type { TracerLost } from '../model/events.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from './envelope.ts';

/** Of enum record_kind. */
const recordNames: Record<number, string> = {
  1: 'oom_kill',
  2: 'oom_step',
  3: 'synthetic',
  4: 'oom_candidates',
  5: 'oom_imminent',
  6: 'log_line',
  7: 'pressure_stall',
  8: 'pressure_level',
  9: 'pressure_countdown',
  10: 'pressure_group',
  11: 'guard_trigger',
  12: 'guard_signal',
  13: 'process_exec',
  14: 'stall_task',
  15: 'stall_group',
};
/** From here on they are not records but stalls that found no room in a map. */
const FIRST_OF_MAPS = 14;

const remedies: Record<TracerLost['where'], string> = {
  ring: 'The kernel’s ring was full: give it more room with ringBytes (--ring), or do less in the handlers.',
  map: 'More tasks were stalled at once, or in more cgroups, than there is room for in the kernel: their stalls are missing from the totals.',
  malformed: 'The BPF object and the reader do not fit each other: build both anew with `npm run setup`.',
  reader: 'Read faster, or ask for less with filters.',
};

export class LossCounter {
  /** Records that found the kernel's ring full. */
  total = 0;
  readonly #envelopes: EnvelopeFactory;
  /** `RingReader.lost()` as last reported. */
  readonly counters: number[] = [0];
  #malformed = 0;

  constructor(envelopes: EnvelopeFactory) {
    this.#envelopes = envelopes;
  }

  /** @param counters `RingReader.lost()`. @returns what is new, if anything is */
  inRing(counters: number[]): TracerLost | undefined {
    const lost = this.#since(counters, 0, FIRST_OF_MAPS);
    const count = sum(Object.values(lost));
    if (count === 0) return undefined;
    this.total += count;
    return this.#event('ring', lost, this.total);
  }

  /** Stalls that could not be accounted, of the same counters. @returns what is new, if anything is */
  inMaps(counters: number[]): TracerLost | undefined {
    const lost = this.#since(counters, FIRST_OF_MAPS, Number.POSITIVE_INFINITY);
    if (Object.keys(lost).length === 0) return undefined;
    return this.#event('map', lost, sum(this.counters.slice(1 + FIRST_OF_MAPS)));
  }

  /** What was added for some kinds since they were looked at last. */
  #since(counters: number[], first: number, end: number): Record<string, number> {
    const lost: number[] = [];
    counters.slice(1).forEach((count, kind) => {
      if (kind < first || kind >= end) return;
      lost[kind] = count - (this.counters[kind + 1] ?? 0);
      this.counters[kind + 1] = count;
    });
    return byName(lost);
  }

  malformed(count: number): TracerLost | undefined {
    if (count === 0) return undefined;
    this.#malformed += count;
    return this.#event('malformed', { record: count }, this.#malformed);
  }

  /** @param dropped by type of event */
  behind(dropped: Record<string, number>): TracerLost {
    return this.#event('reader', dropped, sum(Object.values(dropped)));
  }

  #event(where: TracerLost['where'], lost: Record<string, number>, total: number): TracerLost {
    const what = Object.entries(lost).map(([name, count]) => `${count} ${name}`);
    const message = `Lost: ${what.join(', ')}. ${remedies[where]}`;
    const now = process.hrtime.bigint();
    const envelope = this.#envelopes.next(now, realtimeOffsetNs(), 'warning', 'oomscope', message);
    return { ...envelope, type: 'tracer.lost', where, lost, total, remedy: remedies[where] };
  }
}

/** `RingReader.lost()` without its first number, by kind of record. */
export function byName(lost: number[]): Record<string, number> {
  const named = lost.flatMap((count, kind) =>
    count > 0 ? [[recordNames[kind] ?? `kind_${kind}`, count] as const] : [],
  );
  return Object.fromEntries(named);
}

export function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
