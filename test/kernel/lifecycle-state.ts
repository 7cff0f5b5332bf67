import type { BpfIds } from './bpf-ids.ts';

/** The resources that a process holds at one moment. */
export interface LifecycleState {
  fds: number;
  threads: number;
  rssBytes: number;
  heapBytes: number;
  held: BpfIds;
}

const MIB = 2 ** 20;
const HEAP_BYTES = 2 * MIB;
/**
 * Resident memory that one open and close may leave behind: every call through ffi-napi with an argument leaks about
 * 60 bytes, and a tracer takes several hundred calls. A leaked batch buffer (128 KiB) would exceed it.
 */
const BYTES_EACH = 0.1 * MIB;

/** @param states after each quarter of `count` @returns a sentence for each resource that has grown */
export function lifecycleFaults(states: readonly LifecycleState[], count: number): string[] {
  const [start, half, , end] = states as [LifecycleState, LifecycleState, LifecycleState, LifecycleState];
  const same = (what: 'fds' | 'threads') =>
    end[what] === start[what] ? [] : [`${what}: expected ${start[what]} as after the first quarter, got ${end[what]}`];
  const most = (what: 'rssBytes' | 'heapBytes', bytes: number) =>
    end[what] - half[what] < bytes
      ? []
      : [`${what}: expected less than ${bytes} more than after the half, got ${end[what] - half[what]}`];
  const held = JSON.stringify(end.held) === JSON.stringify(start.held) ? [] : ['BPF objects are left'];
  return [
    ...same('fds'),
    ...same('threads'),
    ...held,
    ...most('heapBytes', HEAP_BYTES),
    ...most('rssBytes', Math.max((BYTES_EACH * count) / 2, 4 * MIB)),
  ];
}
