/** Reads what decides on the heap of a process: its program, arguments and environment. */
import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { cgroupProcesses } from '../linux/cgroup-processes.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { environment, readProcess } from '../linux/process-reader.ts';
import { readIfPresent } from '../linux/read-if-present.ts';
import type { HeapProcess } from './heap.ts';

/** Only the largest processes matter to the limit of a container. */
const MOST_PROCESSES = 4;
/** environment() reads 16 KiB; what is as long may have been cut. */
const MOST_ENVIRONMENT = 16_000;

/** The largest processes of a cgroup and below it, the largest first. */
export function heapProcesses(cgroups: Cgroupfs, path: string): HeapProcess[] {
  return cgroupProcesses(cgroups, path)
    .slice(0, MOST_PROCESSES)
    .flatMap(({ pid }) => heapProcess(pid) ?? []);
}

/** @returns undefined: the process has exited */
export function heapProcess(pid: number): HeapProcess | undefined {
  const directory = `/proc/${pid}`;
  const exe = readProcess(pid, ['exe'])?.exe;
  const args = readIfPresent(`${directory}/cmdline`);
  if (exe === undefined || args === undefined) return undefined;
  const variables = environment(directory);
  const bytes = (variables ?? []).reduce((sum, entry) => sum + entry.length + 1, 0);
  return {
    ...{ pid, program: exe === null ? null : basename(exe).replace(/ \(deleted\)$/, '') },
    ...{ args: args.split('\0').slice(0, -1), environment: variables ?? [] },
    isWhole: variables !== null && bytes < MOST_ENVIRONMENT,
    isGo: isGoProgram(`${directory}/exe`),
  };
}

/**
 * A note of the ELF file (name of 4 bytes, "Go", type 4) has the build id, which the Go linker writes near the beginning. The
 * size of the build id, between the two, varies.
 */
const NAME_SIZE = Buffer.from([4, 0, 0, 0]);
const TYPE_AND_NAME = Buffer.from([4, 0, 0, 0, 0x47, 0x6f, 0, 0]);
const HEAD_BYTES = 8192;

export function isGoProgram(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return false;
  }
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const read = head.subarray(0, readSync(descriptor, head, 0, HEAD_BYTES, 0));
    const at = read.indexOf(TYPE_AND_NAME);
    return at >= 8 && read.subarray(at - 8, at - 4).equals(NAME_SIZE);
  } catch {
    return false;
  } finally {
    closeSync(descriptor);
  }
}
