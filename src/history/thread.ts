/** Starts the threads of the history. */
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * V8 lets the heap of a thread grow up to a quarter of the machine's memory by default. A report of a machine with 10,000
 * processes has 4 MB of JSON.
 */
const HEAP = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 2 };

/** @param name the name of a file in this folder, which is an entry of the bundle of the command */
export function startThread(name: 'history-worker' | 'history-reader' | 'log-import', options: WorkerOptions): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`${name}.${extension}`, import.meta.url), {
    name,
    resourceLimits: HEAP,
    ...options,
  });
  worker.unref();
  return worker;
}
