/** The event `process.killed`: a process died of a signal, and who sent it. */

import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { ProcessId } from './process.ts';

/** A process that died of a signal. */
export interface KilledProcess extends ProcessId, CgroupOwner {
  /** The process id of its parent. */
  ppid: number;
  /** The name of its parent. */
  parent_comm: string;
  /** The real user id. */
  uid: number;
  /** The name of the process. */
  comm: string;
  /** The path of the program. null: unknown. */
  exe: string | null;
  /** The arguments, the program's name first. null: unknown. */
  cmdline: string[] | null;
  /** The path of the process's memory cgroup. null: unknown. */
  cgroup: string | null;
  /** The process id in its own pid namespace. It is the same as `pid` on the host. */
  namespace_pid: number;
  /** Whether it was process 1 of a pid namespace: the main process of a container. */
  namespace_init: boolean;
}

/** A process, and those from which it descends. */
export interface SenderAncestor {
  /** The process id. */
  pid: number;
  /** The name of the process. */
  comm: string;
  /** The real user id. */
  uid: number;
}

/** The process that sent the signal, as it was at this moment. */
export interface KillSender extends ProcessId, CgroupOwner {
  /** The real user id. */
  uid: number;
  /** The name of the process. */
  comm: string;
  /** The path of its program. null: unknown. */
  exe: string | null;
  /** Its arguments, the program's name first. null: unknown, for instance because it exited at once. */
  cmdline: string[] | null;
  /** The user id with which the user logged in, before sudo or su. null: no login started it, or unknown. */
  login_uid: number | null;
  /** The name of its controlling terminal: "pts3". null: it has none, or unknown. */
  tty: string | null;
  /** The path of its memory cgroup. null: unknown. */
  cgroup: string | null;
  /** Its parent, the parent of this one, and so on, eight at most. Empty: unknown. */
  ancestors: SenderAncestor[];
}

/**
 * What kind of author killed the process.
 * - `oom_killer`: the kernel's OOM killer.
 * - `guard`: the guard of oomscope.
 * - `early_killer`: a program that kills before the kernel does, such as systemd-oomd.
 * - `kubelet`, `runtime`, `service_manager`: the kubelet; a container runtime; systemd.
 * - `user`: a person, by a command in a login or on a terminal.
 * - `process`: another process.
 * - `self`: the process itself.
 * - `parent_exit`: its parent exited, and the process had asked for a signal then (PR_SET_PDEATHSIG).
 * - `namespace_end`: process 1 of its pid namespace ended, and the kernel kills all others of the namespace.
 * - `tracer`: a debugger or another program that traced it with ptrace(2).
 * - `terminal`: its terminal: Ctrl-C, or a hangup.
 * - `kernel`: another part of the kernel: a fault of the program, a limit of CPU time, a BPF program.
 */
export type KillerKind =
  | ('oom_killer' | 'guard' | 'early_killer' | 'kubelet' | 'runtime' | 'service_manager' | 'user' | 'process')
  | ('self' | 'parent_exit' | 'namespace_end' | 'tracer' | 'terminal' | 'kernel');

/**
 * How the process was killed.
 * - `signal`: kill(2), tgkill(2), pidfd_send_signal(2) and the like.
 * - `cgroup_kill`: a write to the file cgroup.kill, which kills every process of the cgroup.
 * - `ptrace`: ptrace(2). `bpf`: a BPF program. `kernel`: the kernel itself.
 */
export type KillMeans = 'signal' | 'cgroup_kill' | 'ptrace' | 'bpf' | 'kernel';

/** Why the author killed the process, in the author's own words. */
export interface KillReason {
  /** The words of the author. */
  words: string;
  /**
   * The source of the words: `journal`, `runtime` (the events of a container runtime), `event` (an event of
   * oomscope).
   */
  source: 'journal' | 'runtime' | 'event';
}

/** Who killed a process. */
export interface KillAuthor {
  /** The kind of author. null: unknown. */
  kind: KillerKind | null;
  /** The name of the author: "systemd-oomd", "dockerd", "bash". null: unknown. */
  name: string | null;
  /** How the process was killed. null: unknown. */
  means: KillMeans | null;
  /**
   * The process that sent the signal. It may act for the author, as runc does for dockerd. null: the kernel sent it, or
   * the sender is unknown.
   */
  process: KillSender | null;
  /** Why it killed. null: unknown. */
  reason: KillReason | null;
  /** Why `kind` is null. null: the kind is known. */
  unknown: string | null;
}

/** A process died of a signal. A process that handles the signal and exits was not killed, and has no such event. */
export interface ProcessKilled extends Envelope {
  type: 'process.killed';
  /** The name of the signal: "SIGKILL". */
  signal: string;
  /** The number of the signal. */
  signal_number: number;
  /** Whether a core file was written. */
  core_dumped: boolean;
  /** The process that died. */
  victim: KilledProcess;
  /** Who killed it. */
  by: KillAuthor;
  /** From the signal until the process ended. null: the signal was not seen. */
  signal_to_end_ns: number | null;
  /**
   * The `id` of the `oom.kill`, or the `plan_id` of the guard's events, about the same kill. null: there is no such
   * event.
   */
  kill_id: string | null;
  /** The fields that could not be read: "by.process.exe". */
  missing: string[];
}
