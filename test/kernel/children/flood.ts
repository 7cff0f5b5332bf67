/**
 * Floods a tracer's ring from its own process: `flood.ts RING_ID COUNTERS_ID`. It prints "ready", reads a line `RUNS`, runs
 * bpf/flood.bpf.c that many times, prints `{ runs, records }`, and waits for the next line.
 */
import { closeSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { BpfObject } from '../../../src/bpf/libbpf/index.ts';
import { libbpf } from '../../../src/bpf/libbpf/symbols.ts';
import { nativeFile } from '../../../src/native/files.ts';
import { say } from './say.ts';

const PER_RUN = 512; // bpf/flood.bpf.c

const object = BpfObject.open(readFileSync(nativeFile('flood.bpf.o')));
for (const [i, name] of ['ring', 'counters'].entries()) {
  const fd = libbpf().bpf_map_get_fd_by_id(Number(process.argv[2 + i]));
  if (fd < 0) throw new Error(`there is no map ${name} of id ${process.argv[2 + i]}: ${fd}`);
  object.map(name).reuse(fd);
  closeSync(fd);
}
object.load();
const [program] = object.programs;
if (!program) throw new Error('flood.bpf.o has no program');
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const runs = Number(line);
  for (let i = 0; i < runs; i++) program.run();
  say({ runs, records: runs * PER_RUN });
}
object.close();
