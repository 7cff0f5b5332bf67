/**
 * Floods a pressure monitor with synthetic stalls of its own task: `stall-flood.ts CGROUP PROGRAM_ID...`; one of the ids is the
 * program of bpf/stall-flood.bpf.c. It moves into the cgroup, prints "ready", reads a number of stalls from its input, makes
 * them, and prints how many it made.
 */
import { closeSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { testRun } from '../../../src/bpf/libbpf/program.ts';
import { libbpf } from '../../../src/bpf/libbpf/symbols.ts';
import { say } from './say.ts';

const PER_RUN = 256; // bpf/stall-flood.bpf.c
const NAME_AT = 64; // include/uapi/linux/bpf.h struct bpf_prog_info
const [group = '', ...ids] = process.argv.slice(2);

writeFileSync(`${group}/cgroup.procs`, '0');
const program = ids.map((id) => libbpf().bpf_prog_get_fd_by_id(Number(id))).find(isFlood);
if (program === undefined) throw new Error(`none of the programs ${ids} is stall_flood`);
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const began = performance.now();
  let stalls = 0;
  for (; stalls < Number(line); stalls += PER_RUN) testRun(program);
  say({ stalls, seconds: (performance.now() - began) / 1e3 });
}
closeSync(program);

function isFlood(fd: number): boolean {
  const info = Buffer.alloc(256);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(info.length);
  const found = fd >= 0 && libbpf().bpf_obj_get_info_by_fd(fd, info, length) === 0;
  if (found && info.toString('latin1', NAME_AT, NAME_AT + 16).startsWith('stall_flood\0')) return true;
  if (fd >= 0) closeSync(fd);
  return false;
}
