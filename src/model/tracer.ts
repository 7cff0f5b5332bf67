/** `tracer.*`: the tracer's own start, losses and end. */

import type { Envelope } from './envelope.ts';
import type { KillKind } from './oom-kill.ts';

/** One hook of the tracer. */
export interface HookState {
  hook: string;
  backend: 'tp_btf' | 'raw_tp' | 'tracepoint' | 'fentry' | 'kprobe' | 'stack' | 'timer' | 'hooks' | 'none';
  program: string | null;
  reason: string;
}

export interface TracerStarted extends Envelope {
  type: 'tracer.started';
  version: string;
  kernel: string;
  libbpf: string;
  cgroup_version: 1 | 2 | null;
  hooks: HookState[];
  /** From the call to the last program attached. */
  start_ns: number;
}

/** Records or events that nobody will see. */
export interface TracerLost extends Envelope {
  type: 'tracer.lost';
  /**
   * - `ring`: the kernel's ring was full.
   * - `map`: there was no room in a map of the kernel's.
   * - `malformed`: a record could not be understood.
   * - `reader`: whoever reads the events was too slow.
   */
  where: 'ring' | 'map' | 'malformed' | 'reader';
  /** By kind of record (or type of event), since the last `tracer.lost` of this place. */
  lost: Record<string, number>;
  /** Since the start. */
  total: number;
  remedy: string;
}

export interface TracerStopped extends Envelope {
  type: 'tracer.stopped';
  /** Of `oom.kill`, by kind. */
  kills: Record<KillKind, number>;
  lost_total: number;
  duration_ns: number;
}
