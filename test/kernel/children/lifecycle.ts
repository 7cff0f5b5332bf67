/**
 * Opens and closes tracers, then the addon's readers on one ring that has records: `lifecycle.ts TRACERS READERS`. After each
 * quarter it prints the resources that the process holds.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { BpfObject } from '../../../src/bpf/libbpf/index.ts';
import { RecordKind } from '../../../src/bpf/wire/layout.ts';
import { openTracer } from '../../../src/index.ts';
import { loadNative } from '../../../src/native/addon.ts';
import { nativeFile } from '../../../src/native/files.ts';
import { alive, heldIds } from '../bpf-ids.ts';
import { say } from './say.ts';

const { RingReader, trimHeap } = loadNative();
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Lets finalizers run and returns free pages to the kernel, so that only memory that is in use is counted. */
async function settled() {
  for (let i = 0; i < 3; i++) {
    // "last-resort": otherwise V8 keeps the pages of a heap that was busy.
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    await turn();
  }
  trimHeap();
  return {
    fds: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    rssBytes: process.memoryUsage.rss(),
    heapBytes: process.memoryUsage().heapUsed,
    held: heldIds(),
  };
}

async function repeat(count: number, once: () => Promise<void>): Promise<void> {
  const states = [];
  for (let quarter = 0; quarter < 4; quarter++) {
    for (let i = 0; i < count / 4; i++) await once();
    states.push(await settled());
  }
  say(states);
}

const first: ReturnType<typeof heldIds>[] = [];
await repeat(Number(process.argv[2]), async () => {
  const tracer = await openTracer({ ringBytes: 65536 });
  if (first.length < 3) first.push(heldIds());
  tracer.close();
  await turn();
});
say(first.map(alive));

const object = BpfObject.open(readFileSync(nativeFile('flood.bpf.o')));
object.load();
const [program] = object.programs;
const options = {
  mapFd: object.map('ring').fd,
  countersFd: object.map('counters').fd,
  batchBytes: 0,
  urgentKinds: [RecordKind.RECORD_SYNTHETIC],
};
await repeat(Number(process.argv[3]), async () => {
  const reader = new RingReader(options, () => {});
  program?.run();
  await turn();
  reader.close();
});
