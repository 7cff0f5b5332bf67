/**
 * Opens a tracer, prints the ids of its maps and its other BPF objects, and runs the scenario that its argument names.
 */

import { filter } from 'rxjs';
import type { Batch } from '../../../src/bpf/wire/batch.ts';
import { RecordKind } from '../../../src/bpf/wire/layout.ts';
import { openTracer, type Tracer } from '../../../src/index.ts';
import { heldIds } from '../bpf-ids.ts';
import { say, told } from './say.ts';

const open = async (options = {}) => {
  const tracer = await openTracer({ ringBytes: 65536, ...options });
  say({ mapIds: tracer.mapIds, held: heldIds() });
  return tracer;
};

/** Counts only the records of the flood: real kills elsewhere on this machine make records, too. */
const synthetic = (batch: Batch) =>
  batch.records().filter(({ header }) => header.kind === RecordKind.RECORD_SYNTHETIC).length;
const floods = (tracer: Tracer) => tracer.batches$.pipe(filter((batch) => synthetic(batch) > 0));

const cases: Record<string, () => Promise<void>> = {
  /** Exits while a tracer is open. */
  async exit() {
    await open();
    process.exit(5);
  },
  /** Exits in the handler of a batch. */
  async exitInHandler() {
    const tracer = await open();
    floods(tracer).subscribe(() => process.exit(5));
  },
  async throwInBatches() {
    const tracer = await open();
    floods(tracer).subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
  },
  async throwInLost() {
    const tracer = await open();
    tracer.lost$.subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
  },
  /** A subscriber throws at each batch. The process handles uncaught exceptions, so the tracer goes on. */
  async throwAndCarryOn() {
    process.on('uncaughtException', () => {});
    const tracer = await open();
    let records = 0;
    floods(tracer).subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
    floods(tracer).subscribe((batch) => {
      records += synthetic(batch);
    });
    await told();
    await new Promise((resolve) => setImmediate(resolve));
    tracer.close();
    say({ records });
  },
  async closeInHandler() {
    const tracer = await open();
    let batches = 0;
    let completed = 0;
    floods(tracer).subscribe({
      next: () => {
        batches++;
        tracer.close();
      },
      complete: () => {
        completed++;
        say({ batches, completed, held: heldIds() });
      },
    });
  },
  /** Only the tracer keeps the process alive. The process must not exit while the tracer is open. */
  async stay() {
    const tracer = await open();
    floods(tracer).subscribe((batch) => say({ records: synthetic(batch) }));
  },
  async close() {
    const tracer = await open();
    tracer.close();
    tracer.close();
    say({ held: heldIds() });
  },
  async using() {
    {
      using tracer = await openTracer();
      say({ mapIds: tracer.mapIds, held: heldIds() });
    }
    say({ held: heldIds() });
    {
      await using tracer = await openTracer();
      say({ mapIds: tracer.mapIds, held: heldIds() });
    }
    say({ held: heldIds() });
  },
  async abort() {
    const controller = new AbortController();
    const tracer = await open({ signal: controller.signal });
    let completed = false;
    tracer.events$.subscribe({ complete: () => (completed = true) });
    controller.abort();
    say({ completed, held: heldIds() });
    const refused = await openTracer({ signal: controller.signal }).catch((error: Error) => error.name);
    say({ refused, held: heldIds() });
  },
  /** Opens two tracers in one process. */
  async two() {
    const tracers = [await open(), await open()];
    const records = tracers.map(() => 0);
    tracers.forEach((tracer, i) => {
      floods(tracer).subscribe((batch) => {
        records[i] = (records[i] ?? 0) + synthetic(batch);
        say({ tracer: i, records: records[i] });
      });
    });
    await told();
    for (const tracer of tracers) tracer.close();
    say({ held: heldIds() });
  },
};

await cases[process.argv[2] ?? '']?.();
