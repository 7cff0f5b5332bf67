/**
 * The oomscope process that bench:latency measures. For each kill it prints one line: the pid, `mono_ns` of the
 * event, the times when the poller thread read the record (0: unknown, because other records came before it in the batch) and
 * when the handlers of batches$ and oomKills$ were called, and the CPU of the victim.
 */

import type { Batch } from '../../dist/bpf/wire/batch.js';
import { OomKillRecord, RecordKind } from '../../dist/bpf/wire/layout.js';
import { openTracer } from '../../dist/index.js';

const tracer = await openTracer();
let batchAtNs = 0n;
let lastBatch: Batch | undefined;
tracer.batches$.subscribe((batch) => {
  batchAtNs = process.hrtime.bigint();
  lastBatch = batch;
});
tracer.oomKills$.subscribe((kill) => {
  const atNs = process.hrtime.bigint();
  const batch = lastBatch;
  const times = [batchAtNs, atNs];
  setImmediate(() => {
    let cpu = -1;
    let receivedNs = 0n;
    batch?.walk((kind, at) => {
      const record = kind === RecordKind.RECORD_OOM_KILL ? new OomKillRecord(batch.view, at) : undefined;
      if (record?.victim_pid !== kill.victim.pid) return;
      cpu = record.header.cpu;
      if (at === 0) receivedNs = batch.receivedNs;
    });
    const stamps = [receivedNs, ...times].join(' ');
    process.stdout.write(`${kill.victim.pid} ${kill.mono_ns} ${stamps} ${cpu}\n`);
  });
});
process.stdout.write('ready\n');
process.once('SIGTERM', () => tracer.close());
