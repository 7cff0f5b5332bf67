/** The events `tracer.*`: the tracer has started, has lost records, or was closed. */

import type { Envelope } from './envelope.ts';
import type { KillKind } from './oom-kill.ts';

/** One hook of the tracer in the kernel: how it is attached, or why it is not attached. */
export interface HookState {
  /** The name of the hook: `mark_victim`. Hooks for pressure begin with `pressure.`. */
  hook: string;
  /** How the hook is attached. `none`: it is not attached, so the data that it would report is missing. */
  backend: 'tp_btf' | 'raw_tp' | 'tracepoint' | 'fentry' | 'kprobe' | 'stack' | 'timer' | 'hooks' | 'none';
  /** The name of the BPF program. null: the hook has no program. */
  program: string | null;
  /** Why this backend was chosen instead of a better one. */
  reason: string;
}

/** The tracer has started. This is the first event of the stream. Its `time` is when the start began. */
export interface TracerStarted extends Envelope {
  type: 'tracer.started';
  /** The version of oomscope. */
  version: string;
  /** The release of the kernel, as `uname -r` prints it. */
  kernel: string;
  /** The version of libbpf, or why it is not loaded. */
  libbpf: string;
  /** The version of the cgroup hierarchy that has the memory controller. null: no such hierarchy is mounted. */
  cgroup_version: 1 | 2 | null;
  /** Every hook and how it is attached. */
  hooks: HookState[];
  /** How long it took to load and attach the BPF programs. 0: nothing had to be attached. */
  start_ns: number;
}

/** Records or events were lost. Each of them is counted; none is lost silently. */
export interface TracerLost extends Envelope {
  type: 'tracer.lost';
  /**
   * Where the records or events were lost.
   * - `ring`: the BPF ring buffer from the kernel to the tracer was full.
   * - `map`: a BPF map had no room.
   * - `malformed`: the tracer could not understand a record.
   * - `reader`: the program that reads the events was too slow.
   * - `runtime`: a container runtime sent events that were malformed, too many, or about containers of another user.
   * - `history`: the disk was too slow or full, so that the history lacks these events.
   */
  where: 'ring' | 'map' | 'malformed' | 'reader' | 'runtime' | 'history';
  /** The number of lost records or events since the last `tracer.lost` with the same `where`, by kind or type. */
  lost: Record<string, number>;
  /** The number of records or events lost at this place since the start. For `reader` and `history`: only the
   * sum of `lost`. */
  total: number;
  /** What the user can do to avoid further losses. */
  remedy: string;
}

/** The tracer was closed. It is the last event. */
export interface TracerStopped extends Envelope {
  type: 'tracer.stopped';
  /** The number of `oom.kill` events, by kind. */
  kills: Record<KillKind, number>;
  /** How many of these kills the command did not show, because of its filters or its --count. */
  kills_hidden: number;
  /** The number of lost records and events at all places together. */
  lost_total: number;
  /** How long the tracer was open. */
  duration_ns: number;
}
