/**
 * The writes of Events that wait for the Kubernetes API, in order. With a directory they survive the process: the next one
 * sends them. An Event is named by its kill, and a count is the whole count, so that a write that is sent twice changes
 * nothing.
 */
import { join } from 'node:path';
import { DiskQueue } from '../alerts/disk-queue.ts';
import type { Codec } from '../alerts/disk-queue-options.ts';
import { parseForeignJson } from '../text/foreign-json.ts';
import type { Write } from './event-budget.ts';
import { number, record, text } from './foreign.ts';
import type { ObjectEvent } from './object-event.ts';

export interface EventSpoolOptions {
  /** A directory for these Events alone; undefined: they wait in memory. */
  directory: string | undefined;
  /** The largest number of writes; the oldest are dropped. Default: 1,000, or 10,000 on disk. */
  most?: number | undefined;
  onTrouble?: ((sentence: string) => void) | undefined;
}

/** A write whose turn it is. It waits until done() is called. */
export interface Turn {
  write: Write;
  done(): void;
}

const MOST_IN_MEMORY = 1000;
const MOST_ON_DISK = 10_000;
/** What the API takes within this time is not written to disk (ms). */
const WRITE_AFTER_MS = 50;
/** A count is written when it has not changed for this time (ms). */
const COUNT_AFTER_MS = 1000;
/** Events whose sent count is remembered. */
const MOST_SENT = 4096;

const codec: Codec<Write> = {
  noun: { one: 'Event', article: 'an Event' },
  write: (write) => JSON.stringify(write),
  size: ({ event }) => 600 + Buffer.byteLength(event.note),
  weight: ({ kills }) => kills,
  read: readWrite,
};

export class EventSpool {
  readonly #queue: DiskQueue<Write>;
  /**
   * What the budget of an object holds back, by the name of the Event: kills that were only counted. It is written only on
   * disk, for the next process, and replaced whenever the count grows.
   */
  readonly #counts: DiskQueue<Write> | undefined;
  readonly #noted = new Map<string, { number: number; count: number }>();
  /** Counts up to this number are from an earlier process, which can no longer send them. */
  readonly #lastLeft: number;
  #left = 0;
  readonly #sent = new Map<string, number>();

  /** @throws OomscopeError USAGE: the directory is not private to this user, or another process uses it */
  constructor({ directory, most, onTrouble }: EventSpoolOptions) {
    this.#queue = new DiskQueue({
      ...{ directory, codec, onTrouble, writeAfterMs: WRITE_AFTER_MS },
      most: most ?? (directory === undefined ? MOST_IN_MEMORY : MOST_ON_DISK),
    });
    if (directory !== undefined) {
      const counts = { directory: join(directory, 'counts'), codec, onTrouble, writeAfterMs: COUNT_AFTER_MS };
      this.#counts = new DiskQueue({ ...counts, most: most ?? MOST_ON_DISK });
    }
    this.#lastLeft = this.#counts?.last ?? 0;
    this.#left = this.#counts?.length ?? 0;
  }

  get isEmpty(): boolean {
    return this.#queue.length + this.#left === 0;
  }

  /** How many kills wait. A write that an earlier process left counts as one until it is read. */
  get waiting(): number {
    return this.#queue.weight + this.#left;
  }

  /** Whether what waits survives this process. */
  get isKept(): boolean {
    return this.#counts !== undefined && this.#queue.kept === this.#queue.length;
  }

  /** Adds a write without blocking. @returns the kills of the writes that were dropped */
  push(write: Write): number {
    return this.#queue.push(write);
  }

  /** Notes a count that is not sent yet, in place of the last one of this Event. */
  note(write: Write): void {
    if (!this.#counts) return;
    const { name } = write.event.metadata;
    const before = this.#noted.get(name);
    this.#counts.push(write);
    if (before) this.#counts.remove(before.number);
    this.#noted.set(name, { number: this.#counts.last, count: write.count });
  }

  /** The next write; undefined: none waits. */
  async next(): Promise<Turn | undefined> {
    for (;;) {
      const turn = (await this.#nextOf(this.#queue)) ?? (await this.#nextLeft());
      if (!turn?.write.event.series) return turn;
      if (turn.write.count > (this.#sent.get(turn.write.event.metadata.name) ?? 0)) return turn;
      turn.done(); // the server knows this count, or a larger one
    }
  }

  /** Settles when what waits is on disk. */
  async close(): Promise<void> {
    await this.#queue.close();
    await this.#counts?.close();
  }

  async #nextOf(queue: DiskQueue<Write>): Promise<Turn | undefined> {
    const [head] = await queue.heads(1);
    if (!head) return undefined;
    const { number: at, item: write } = head;
    return {
      write,
      done: () => {
        queue.remove(at);
        this.#told(write);
      },
    };
  }

  async #nextLeft(): Promise<Turn | undefined> {
    if (!this.#counts || this.#left === 0) return undefined;
    const [head] = await this.#counts.heads(1);
    if (!head || head.number > this.#lastLeft) {
      this.#left = 0;
      return undefined;
    }
    const turn = await this.#nextOf(this.#counts);
    const done = () => {
      this.#left--;
      turn?.done();
    };
    return turn && { write: turn.write, done };
  }

  #told({ event, count }: Write): void {
    const { name } = event.metadata;
    this.#sent.delete(name);
    this.#sent.set(name, count);
    if (this.#sent.size > MOST_SENT) this.#sent.delete(this.#sent.keys().next().value as string);
    const noted = this.#noted.get(name);
    if (!noted || noted.count > count) return;
    this.#counts?.remove(noted.number);
    this.#noted.delete(name);
  }
}

/** @throws Error: the text is no write */
function readWrite(source: string): Write {
  const { kind, event, count, kills } = record(parseForeignJson(source));
  const { metadata, regarding, note } = record(event);
  const isWhole =
    (kind === 'create' || kind === 'count') &&
    [record(metadata).name, record(metadata).namespace, record(regarding).kind, note].every((each) => text(each)) &&
    [count, kills].every((each) => (number(each) ?? 0) > 0);
  if (!isWhole) throw new Error('it is not a write of an Event');
  return { kind, event: event as ObjectEvent, count: count as number, kills: kills as number };
}
