/** Reads the files of a memory cgroup, on cgroup v1 or v2. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The value that means "no limit" on v1: LONG_MAX rounded down to whole pages. */
const V1_UNLIMITED_BYTES = 2 ** 62;
export const LIMIT_FILE = { 1: 'memory.limit_in_bytes', 2: 'memory.max' } as const;
const USAGE_FILE = { 1: 'memory.usage_in_bytes', 2: 'memory.current' } as const;
export const EVENTS_FILE = { 1: 'memory.oom_control', 2: 'memory.events' } as const;

/**
 * Reads pids without 0. The kernel prints 0 for a process of another pid namespace, and kill(2) would signal a
 * process group.
 */
export function readPids(path: string): number[] {
  const lines = readFileSync(join(path, 'cgroup.procs'), 'utf8').trim().split('\n');
  return lines.map(Number).filter((pid) => pid > 0);
}

/** The limit in bytes. Infinity for "no limit", and for the root group, which has no such file on v2. */
export function readLimit(path: string, version: 1 | 2): number {
  const file = join(path, LIMIT_FILE[version]);
  if (!existsSync(file)) return Infinity;
  const bytes = Number(readFileSync(file, 'utf8'));
  return bytes < V1_UNLIMITED_BYTES ? bytes : Infinity;
}

export function readUsage(path: string, version: 1 | 2): number {
  return Number(readFileSync(join(path, USAGE_FILE[version]), 'utf8'));
}

export function readPairs(path: string, file: string): Record<string, number> {
  const lines = readFileSync(join(path, file), 'utf8').trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/\s+/)).map(([key, value]) => [key, Number(value)]));
}
