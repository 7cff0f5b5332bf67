/**
 * Counts the records that a tracer delivers and those that it reports as lost: `accountant.ts RING_BYTES`. It reads
 * commands from its input: `block MS` blocks the JavaScript thread, `drain` waits until the ring is empty, `report`
 * prints the counts once no more records arrive.
 */
import { createInterface } from 'node:readline';
import { RecordKind, SyntheticRecord } from '../../../src/bpf/wire/layout.ts';
import { openTracer } from '../../../src/index.ts';
import { say } from './say.ts';

const tracer = await openTracer({ ringBytes: Number(process.argv[2]) });
let delivered = 0;
let malformed = 0;
let disordered = 0;
let lostReported = 0;
/** For each CPU, the next expected sequence number, and how many numbers were skipped. */
const next = new Map<number, bigint>();
let gaps = 0;

tracer.batches$.subscribe((batch) => {
  malformed += batch.walk((kind, at) => {
    const { header } = new SyntheticRecord(batch.view, at);
    const { cpu, sequence } = header;
    const expected = next.get(cpu) ?? 0n;
    if (sequence < expected) disordered++;
    gaps += Number(sequence - expected);
    next.set(cpu, sequence + 1n);
    if (kind === RecordKind.RECORD_SYNTHETIC) delivered++;
  });
});
tracer.lost$.subscribe((event) => {
  if (event.where === 'ring') lostReported += event.lost.synthetic ?? 0;
});
say({ mapIds: tracer.mapIds });

/** Reads the rest of the ring, until two checks in a row find nothing new. */
async function drained(): Promise<void> {
  for (let seen = -1; seen !== delivered; ) {
    seen = delivered;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = line.split(' ');
  if (command === 'block') {
    say('blocking');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(argument));
    say('awake');
  } else if (command === 'drain') {
    await drained();
    say('drained');
  } else if (command === 'report') {
    await drained();
    const lostSoFar = tracer.lostSoFar().synthetic ?? 0;
    tracer.close();
    say({
      delivered,
      lostReported,
      lostSoFar,
      lostAfterClose: tracer.lostSoFar().synthetic ?? 0,
      malformed,
      disordered,
      gaps,
    });
  }
}
