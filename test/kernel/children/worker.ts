/**
 * Opens a tracer in a worker thread that is terminated while records arrive: `worker.ts idle|busy|between`. Prints the
 * ids of the maps, waits until stdin ends, terminates the worker, and prints the resources that the process still
 * holds.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openTracer } from '../../../src/index.ts';
import { heldIds } from '../bpf-ids.ts';
import { say, told } from './say.ts';

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[2] });
  const exited = new Promise<number>((resolve) => {
    worker.once('exit', resolve);
  });
  let batches = 0;
  worker.on('message', (message) => {
    if (message.mapIds) say({ mapIds: message.mapIds, held: heldIds() });
    else if (++batches === 1) say('flowing');
  });
  await told();
  await worker.terminate();
  await exited;
  say({ heldAfter: heldIds() });
} else {
  const tracer = await openTracer({ ringBytes: 65536 });
  let flowing = false;
  tracer.batches$.subscribe(() => {
    if (!flowing) parentPort?.postMessage({ flowing });
    flowing = true;
    // The worker is terminated within the callback, in a loop that never ends by itself.
    if (workerData === 'busy') for (;;) Math.sqrt(2);
  });
  parentPort?.postMessage({ mapIds: tracer.mapIds });
  // The worker is terminated while a call from the poller threads waits.
  if (workerData === 'between') setInterval(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5), 0);
}
