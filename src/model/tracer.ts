/** `tracer.*`: the start, the losses and the end of the tracer itself. */

import type { Envelope } from './envelope.ts';
import type { KillKind } from './oom-kill.ts';

/** One hook into the kernel: how it is attached, or why it is not. */
export interface HookState {
  /** The name of the hook: `mark_victim`. Hooks for pressure begin with `pressure.`. */
  hook: string;
  /** How the hook is attached. `none`: it is not, and what it would report is missing. */
  backend: 'tp_btf' | 'raw_tp' | 'tracepoint' | 'fentry' | 'kprobe' | 'stack' | 'timer' | 'hooks' | 'none';
  /** The name of the BPF program. null: there is none. */
  program: string | null;
  /** Why this backend was chosen, and not a better one. */
  reason: string;
}

/** The tracer has started: the version, the kernel, and what it can see here. It is the first event. */
export interface TracerStarted extends Envelope {
  type: 'tracer.started';
  /** The version of oomscope. */
  version: string;
  /** The release of the kernel, as `uname -r` prints it. */
  kernel: string;
  /** The version of libbpf, or why it is not loaded. */
  libbpf: string;
  /** The hierarchy that has the memory controller. null: none is mounted. */
  cgroup_version: 1 | 2 | null;
  /** Every hook and how it is attached. */
  hooks: HookState[];
  /** From the call until the last program was attached, in nanoseconds. 0: nothing had to be attached. */
  start_ns: number;
}

/** Records or events were lost. Each of them is counted; none is lost silently. */
export interface TracerLost extends Envelope {
  type: 'tracer.lost';
  /**
   * Where they were lost.
   * - `ring`: the ring between the kernel and the tracer was full.
   * - `map`: a BPF map had no room.
   * - `malformed`: the tracer could not understand a record.
   * - `reader`: the program that reads the events was too slow.
   */
  where: 'ring' | 'map' | 'malformed' | 'reader';
  /** How many, by kind of record or type of event, since the last `tracer.lost` of the same place. */
  lost: Record<string, number>;
  /** How many at this place since the start. */
  total: number;
  /** What to change so that it does not happen again. */
  remedy: string;
}

/** The tracer was closed. It is the last event. */
export interface TracerStopped extends Envelope {
  type: 'tracer.stopped';
  /** Number of `oom.kill` events, by kind. */
  kills: Record<KillKind, number>;
  /** Number of lost records and events, of all places together. */
  lost_total: number;
  /** How long the tracer was open, in nanoseconds. */
  duration_ns: number;
}
