/**
 * A node of the chaos test: publishes numbered events, and writes the number of the last one to a file before it
 * publishes it, so that the parent knows what existed when it kills this process.
 *
 *   publisher.ts URL SPOOL NODE FROM TO PER_SECOND FILE
 */
import { openSync, writeSync } from 'node:fs';
import { Publisher } from '../../../src/publish/publisher.ts';
import { killAt } from '../fleet-events.ts';

const [url = '', spool = '', node = '', from = '', to = '', perSecond = '', file = ''] = process.argv.slice(2);
const publisher = await Publisher.open({ servers: url.split(','), spool, node, cluster: 'chaos', perSecond: 100_000 });
const descriptor = openSync(file, 'r+');
const line = Buffer.alloc(12);
const began = performance.now();
const last = Number(to);
let next = Number(from);
const MOST_WAITING = 4000;

while (next < last) {
  const due = Number(from) + ((performance.now() - began) / 1000) * Number(perSecond);
  for (; next < Math.min(last, due) && publisher.counts.waiting <= MOST_WAITING; next++) {
    line.write(`${String(next).padStart(11, '0')}\n`);
    writeSync(descriptor, line, 0, 12, 0);
    publisher.take(killAt(`${node}:${next}`));
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
  // A spool of the standard size has room for some 10,000 of these events, and drops the oldest beyond that.
  while (publisher.counts.waiting > MOST_WAITING) await new Promise((resolve) => setTimeout(resolve, 50));
}
while (publisher.counts.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 20));
process.stdout.write(`${JSON.stringify(publisher.counts)}\n`);
await publisher.close();
