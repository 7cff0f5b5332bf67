/** The events `container.*`: OOM kills in a container, and containers that were killed for another reason. */

import type { LimitCgroup } from './cgroup-usage.ts';
import type { CgroupOwner, Container } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { KillKind } from './oom-kill.ts';
import type { KillAuthor } from './process-killed.ts';

/** One kill inside a container. */
export interface ContainerKill {
  /** The `id` of the `oom.kill` event. */
  kill_id: string;
  /** What the kernel did to the process. */
  kind: KillKind;
  /** The process id. */
  pid: number;
  /** The name of the process. null: unknown. */
  comm: string | null;
  /** The resident memory of the process at the kill. null: unknown. */
  rss_bytes: number | null;
  /** Whether the process was the main process of the container. null: unknown. */
  main: boolean | null;
}

/**
 * An OOM incident in a container: the kernel's kills, joined with the runtime's own events about them. Kills that
 * follow each other within two seconds are one incident. An incident is reported at once, then every two seconds while
 * it goes on, and once more when it is over.
 */
export interface ContainerOom extends Envelope, CgroupOwner {
  type: 'container.oom';
  /** The `id` of the first event about this incident. */
  incident: string;
  /** 0 in the first event about this incident, 1 in the next one, and so on. */
  update: number;
  /** Whether the incident is over, so that this is the last event about it. */
  final: boolean;
  /** The container. */
  container: Container;
  /**
   * - `main_killed`: the kernel killed the main process of the container, and so ended the container.
   * - `process_killed`: the kernel killed another process of the container, and the main process lived on.
   * - `killed`: the kernel killed a process of the container. Whether it was the main process is unknown.
   * - `stuck`: the container is out of memory, and the kernel kills no process in it: see `oom.stuck`.
   * - `spared`: the runtime reported an OOM, but the kernel killed no process of the container. On cgroup v1 a runtime
   *   is also notified of every OOM of the cgroups above.
   * - `reported`: the runtime reported an OOM, and oomscope did not watch the kernel's kills.
   */
  verdict: 'main_killed' | 'process_killed' | 'killed' | 'stuck' | 'spared' | 'reported';
  /** Whether the kernel killed all processes of a cgroup at once, because of memory.oom.group. */
  group_kill: boolean;
  /**
   * What ran out of memory: the container at its own limit, a cgroup inside the container, a cgroup above the container
   * (pod or slice), the system, or some NUMA nodes. null: no kill was seen.
   */
  limit_of: 'container' | 'cgroup_inside' | 'cgroup_above' | 'system' | 'nodes' | null;
  /** The cgroup whose limit was hit. null: it was not a cgroup's limit, or no kill was seen. */
  limit: LimitCgroup | null;
  /** The number of processes that the kernel killed in this container. */
  kill_count: number;
  /** The first 64 of these kills, in the order in which they happened. */
  kills: ContainerKill[];
  /**
   * Whether the container ended at the kill or shortly after. null: not known yet, or the runtime could not be asked.
   */
  ended: boolean | null;
  /** The exit code of the container: 137 is 128 + SIGKILL. null: the container still runs, or the code is unknown. */
  exit_code: number | null;
  /**
   * Whether the runtime sent its own `oom` event. null: the runtime could not be asked, or has no such event (Podman).
   */
  runtime_oom: boolean | null;
  /**
   * Who ended the container, if it was not the OOM killer: its main process died of another SIGKILL. null: the container
   * has not ended, the OOM killer ended it, or it is unknown.
   */
  ended_by: KillAuthor | null;
  /** From the first kill until the runtime reported the end of the container. null: one of the two is missing. */
  kill_to_end_ns: number | null;
}

/** A container ended with exit code 137, but not because of the OOM killer. */
export interface ContainerKilled extends Envelope, CgroupOwner {
  type: 'container.killed';
  /** The container. */
  container: Container;
  /** Always null: the runtime does not report the systemd unit. */
  unit: null;
  /**
   * - `runtime`: the runtime was told to kill the container: `docker kill`, or `docker stop` after its timeout.
   * - `other`: another process sent SIGKILL, or the program itself exited with 137. The runtime reports both alike.
   */
  by: 'runtime' | 'other';
  /** The exit code of the container, which is always 137. */
  exit_code: number;
  /**
   * Who killed the main process, or `self` if the main process itself returned 137. `runtime` is also the runtime that
   * another program or a person told to kill. null: unknown.
   */
  author: KillAuthor | null;
  /** Why `author` is null. null: it is known. */
  author_unknown: string | null;
  /** The main process. null: unknown. */
  main: { pid: number; comm: string } | null;
  /** Whether oomscope watched the kernel's kills. If not, only the runtime says that this was not an OOM kill. */
  kernel_watched: boolean;
}
