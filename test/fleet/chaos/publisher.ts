/**
 * A node of the chaos test: publishes numbered events. Before it publishes an event, it writes the event's number to a
 * file, and when an event is acknowledged, it adds the number to another file. So the parent knows what existed, and
 * what the server had taken, when it kills this process.
 *
 * The parent removes the types from this file and runs it with the compiled modules of the product, because the loader of
 * TypeScript would double the memory of each of a hundred processes.
 *
 *   publisher.js JSON
 */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export interface PublisherWords {
  /** The URL of dist/. */
  modules: string;
  servers: readonly string[];
  spool: string;
  node: string;
  /** The numbers of the first event and of the event after the last. */
  from: number;
  to: number;
  perSecond: number;
  /** True: runs at the lowest priority after its start. */
  isOneOfACrowd: boolean;
  /** A file with the events that are published in turn, with other ids and times. */
  samples: string;
  /** The file of the number of the last event, which has 12 bytes, and the file of the acknowledged numbers. */
  last: string;
  acknowledged: string;
}

const words: PublisherWords = JSON.parse(process.argv[2] ?? '');
const { modules, servers, spool, node, from, to, perSecond } = words;
const { Publisher }: typeof import('../../../src/publish/publisher.ts') = await import(
  `${modules}publish/publisher.js`
);
const { DiskQueue }: typeof import('../../../src/alerts/disk-queue.ts') = await import(
  `${modules}alerts/disk-queue.js`
);
const samples = JSON.parse(readFileSync(words.samples, 'utf8'));
const [last, acknowledged] = [openSync(words.last, 'r+'), openSync(words.acknowledged, 'a')];

// An event leaves the queue when the server has acknowledged it.
const numbers = new Map<number, number>();
const { push, remove } = DiskQueue.prototype;
DiskQueue.prototype.push = function (item) {
  const dropped = push.call(this, item);
  numbers.set(this.last, Number((item as { id: string }).id.split(':')[1]));
  return dropped;
};
DiskQueue.prototype.remove = function (number) {
  const event = numbers.get(number);
  numbers.delete(number);
  if (event !== undefined) writeSync(acknowledged, `${event}\n`);
  return remove.call(this, number);
};

const publisher = await Publisher.open({ servers, spool, node, cluster: 'chaos', perSecond: 100_000 });
if (words.isOneOfACrowd) setPriority(constants.priority.PRIORITY_LOW);
const line = Buffer.alloc(12);
const began = performance.now();
let next = from;
/** A spool drops its oldest events when it has no room, so this process waits before. */
const MOST_WAITING = 250;

while (next < to) {
  const due = from + ((performance.now() - began) / 1000) * perSecond;
  for (; next < Math.min(to, due) && publisher.counts.waiting <= MOST_WAITING; next++) {
    line.write(`${String(next).padStart(11, '0')}\n`);
    writeSync(last, line, 0, 12, 0);
    const time = new Date().toISOString().replace('Z', '000000Z');
    publisher.take({ ...samples[next % samples.length], id: `${node}:${next}`, time });
  }
  await sleep(publisher.counts.waiting > MOST_WAITING ? 50 : Math.min(250, Math.max(10, 2500 / perSecond)));
}
while (publisher.counts.waiting > 0) await sleep(20);
process.stdout.write(`${JSON.stringify(publisher.counts)}\n`);
await publisher.close();
