/**
 * The oomscope process that bench:throughput measures. One subscriber of batches$ decodes each synthetic record and
 * sums a field. The process prints the ids of its maps. For each line on stdin it prints the number of records read
 * and the sum.
 */
import { createInterface } from 'node:readline';
import { RecordKind, SyntheticRecord } from '../../dist/bpf/wire/layout.js';
import { openTracer } from '../../dist/index.js';

const tracer = await openTracer({ readProc: false });
let count = 0;
let sum = 0n;
tracer.batches$.subscribe((batch) => {
  const record = new SyntheticRecord(batch.view, 0);
  batch.walk((kind, at) => {
    if (kind !== RecordKind.RECORD_SYNTHETIC) return;
    record.at = at;
    sum += record.number;
    count++;
  });
});
process.stdout.write(`maps ${tracer.mapIds.ring} ${tracer.mapIds.counters}\n`);
createInterface({ input: process.stdin })
  .on('line', () => process.stdout.write(`read ${count} ${sum}\n`))
  .on('close', () => tracer.close());
process.once('SIGTERM', () => {
  tracer.close();
  process.exit(0);
});
