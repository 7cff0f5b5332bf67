/**
 * Counts records and events that were lost before a receiver got them, and reports them as `tracer.lost` events.
 */
import { byName, fullMaps, lostRecords } from '../bpf/wire/counters.ts';
import { fullMapNames, recordKindNames } from '../bpf/wire/layout.ts';
import type { TracerLost } from '../model/events.ts';
import { reinstallRemedy } from '../native/files.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from './envelope.ts';

const remedies: Record<TracerLost['where'], () => string> = {
  ring: () =>
    'The BPF ring buffer was full: enlarge it with ringBytes (--ring), or do less work in the event handlers.',
  map: () =>
    'More tasks were stalled at once, or in more cgroups, than the BPF maps have room for: their stalls are missing from the totals.',
  malformed: () => `The BPF object and the reader come from different builds: ${reinstallRemedy()}.`,
  reader: () => 'Read the events faster, or filter them.',
  runtime: () =>
    'A container runtime sent events that were malformed, too many, or false: update the runtime, or find out who answers at its socket.',
  history: () => 'The history lacks these events: free space on its disk, or choose a faster disk.',
};

export class LossCounter {
  /** Records that were lost because the BPF ring buffer was full. */
  total = 0;
  /** The result of `RingReader.counters()` at the last call of take(). */
  counters: readonly number[] = [];
  readonly #envelopes: EnvelopeFactory;
  #malformed = 0;
  #runtime = 0;

  constructor(envelopes: EnvelopeFactory) {
    this.#envelopes = envelopes;
  }

  /**
   * @param counters `RingReader.counters()`
   * @returns events about the losses since the last call: at most one for the ring buffer, and one for the maps
   */
  take(counters: readonly number[]): TracerLost[] {
    if (counters.length === 0) return [];
    const ring = byName(grown(lostRecords(this.counters), lostRecords(counters)), recordKindNames);
    const maps = byName(grown(fullMaps(this.counters), fullMaps(counters)), fullMapNames);
    this.counters = counters;
    this.total = sum(lostRecords(counters));
    const events: TracerLost[] = [];
    if (Object.keys(ring).length > 0) events.push(this.#event('ring', ring, this.total));
    if (Object.keys(maps).length > 0) events.push(this.#event('map', maps, sum(fullMaps(counters))));
    return events;
  }

  /** Counts malformed records. @param count their number in one batch. @returns one event, or none if `count` is 0 */
  malformed(count: number): TracerLost[] {
    if (count === 0) return [];
    this.#malformed += count;
    return [this.#event('malformed', { record: count }, this.#malformed)];
  }

  /** Creates the event for lost events of container runtimes. @param count their number since the last call */
  runtime(count: number): TracerLost {
    this.#runtime += count;
    return this.#event('runtime', { container_event: count }, this.#runtime);
  }

  /** Creates the event for a slow receiver. @param dropped the number of events that it did not get, by type */
  behind(dropped: Record<string, number>): TracerLost {
    return this.#event('reader', dropped, sum(Object.values(dropped)));
  }

  /** Creates the event for events that could not be kept in the history. @param dropped their number, by type */
  unkept(dropped: Record<string, number>): TracerLost {
    return this.#event('history', dropped, sum(Object.values(dropped)));
  }

  #event(where: TracerLost['where'], lost: Record<string, number>, total: number): TracerLost {
    const what = Object.entries(lost).map(([name, count]) => `${count} ${name}`);
    const remedy = remedies[where]();
    const message = `Lost: ${what.join(', ')}. ${remedy}`;
    const now = process.hrtime.bigint();
    const envelope = this.#envelopes.next(now, realtimeOffsetNs(), 'warning', 'oomscope', message);
    return { ...envelope, type: 'tracer.lost', where, lost, total, remedy };
  }
}

function grown(before: readonly number[], now: readonly number[]): number[] {
  return now.map((count, i) => count - (before[i] ?? 0));
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
