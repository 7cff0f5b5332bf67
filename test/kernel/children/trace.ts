/** Opens a tracer, says its maps and what else it holds, and does what its argument names. */
import { heldIds } from '../bpf-ids.ts';
import { openTracer } from '../../../src/index.ts';
import { heard, say } from './say.ts';

const open = async (options = {}) => {
  const tracer = await openTracer({ ringBytes: 65536, ...options });
  say({ mapIds: tracer.mapIds, held: heldIds() });
  return tracer;
};

const cases: Record<string, () => Promise<void>> = {
  /** Leaves with a tracer open. */
  async exit() {
    await open();
    process.exit(5);
  },
  /** Leaves in the middle of a batch. */
  async exitInHandler() {
    const tracer = await open();
    tracer.batches$.subscribe(() => process.exit(5));
  },
  async throwInBatches() {
    const tracer = await open();
    tracer.batches$.subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
  },
  async throwInEvents() {
    const tracer = await open();
    tracer.events$.subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
  },
  /** Survives a subscriber that throws each time, where the process says it may. */
  async throwAndCarryOn() {
    process.on('uncaughtException', () => {});
    const tracer = await open();
    let records = 0;
    tracer.batches$.subscribe(() => {
      throw new Error('thrown by a subscriber');
    });
    tracer.batches$.subscribe((batch) => {
      records += batch.records().length;
    });
    await heard();
    await new Promise((resolve) => setImmediate(resolve));
    tracer.close();
    say({ records });
  },
  async closeInHandler() {
    const tracer = await open();
    let batches = 0;
    let completed = 0;
    tracer.batches$.subscribe({
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
  /** Nothing but the tracer is left: the process must stay until it hears otherwise. */
  async stay() {
    const tracer = await open();
    tracer.batches$.subscribe((batch) => say({ records: batch.records().length }));
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
  /** Two tracers in one process. */
  async two() {
    const tracers = [await open(), await open()];
    const records = tracers.map(() => 0);
    tracers.forEach((tracer, i) => {
      tracer.batches$.subscribe((batch) => {
        records[i] = (records[i] ?? 0) + batch.records().length;
        say({ tracer: i, records: records[i] });
      });
    });
    await heard();
    for (const tracer of tracers) tracer.close();
    say({ held: heldIds() });
  },
};

await cases[process.argv[2] ?? '']?.();
