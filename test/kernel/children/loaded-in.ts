/**
 * Loads the native parts where a library may be loaded: `loaded-in.ts worker|workers|busy-worker|context|again`. The main
 * thread loads none of them before. Prints "done" when all has worked.
 */
import { createContext, runInContext } from 'node:vm';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Tracer } from '../../../src/tracer/tracer.ts';
import { say } from './say.ts';

type Library = typeof import('../../../src/index.ts');
type Symbols = typeof import('../../../src/bpf/libbpf/symbols.ts');

const mode = isMainThread ? process.argv[2] : (workerData as string);
const open = async (): Promise<Tracer> => (await import('../../../src/index.ts')).openTracer({ ringBytes: 65536 });

/** Resolves with the worker's exit code. */
function inWorker(what: string, onMessage?: () => void): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: what });
  if (onMessage) worker.once('message', onMessage);
  return new Promise((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
  });
}

const cases: Record<string, () => Promise<void>> = {
  async worker() {
    for (let i = 0; i < 3; i++) if ((await inWorker('open')) !== 0) throw new Error('a worker failed');
    (await open()).close(); // what the workers have loaded works here, too
  },
  async workers() {
    const codes = await Promise.all([1, 2, 3].map(() => inWorker('open')));
    if (codes.some((code) => code !== 0)) throw new Error(`workers ended with ${codes}`);
  },
  /** The process exits while a worker reads a ring that fills. */
  'busy-worker': () =>
    new Promise(() => {
      inWorker('busy', () => process.exit(7)).catch(() => {});
    }),
  /** The options, the array and the bytes are objects of another context. */
  async context() {
    const library: Library = await import('../../../src/index.ts');
    const { loadNative } = await import('../../../src/native/addon.ts');
    const context = createContext({ open: library.openTracer, native: loadNative() });
    await runInContext('(async () => { (await open({ ringBytes: 65536, candidates: "never" })).close(); })()', context);
    const refused = runInContext('native.mapLookup(-1, new Uint8Array(4), new Uint8Array(8))', context);
    if (refused >= 0) throw new Error(`expected an errno, got ${refused}`);
  },
  /** As bundlers and test runners do: several instances of the modules in one process. */
  async again() {
    for (const query of ['?1', '?2', '?3']) {
      const { libbpf } = (await import(`../../../src/bpf/libbpf/symbols.ts${query}`)) as Symbols;
      if (libbpf().libbpf_major_version() < 1) throw new Error('expected libbpf 1 or later');
      const { openTracer } = (await import(`../../../src/tracer/tracer.ts${query}`)) as Library;
      (await openTracer({ ringBytes: 65536 })).close();
    }
  },
  async open() {
    (await open()).close();
  },
  async busy() {
    const tracer = await open();
    const { reader } = await flooded();
    parentPort?.postMessage('busy');
    tracer.batches$.subscribe();
    setInterval(() => reader.counters(), 0);
  },
};

/** A reader of a ring that the worker fills all the time. */
async function flooded() {
  const { readFileSync } = await import('node:fs');
  const { BpfObject } = await import('../../../src/bpf/libbpf/index.ts');
  const { loadNative } = await import('../../../src/native/addon.ts');
  const { nativeFile } = await import('../../../src/native/files.ts');
  const object = BpfObject.open(readFileSync(nativeFile('flood.bpf.o')));
  object.load();
  const [program] = object.programs;
  const options = {
    mapFd: object.map('ring').fd,
    countersFd: object.map('counters').fd,
    batchBytes: 0,
    urgentKinds: [],
  };
  const reader = new (loadNative().RingReader)(options, () => {});
  setInterval(() => program?.run(), 0);
  return { reader };
}

await cases[mode ?? '']?.();
if (isMainThread) say('done');
