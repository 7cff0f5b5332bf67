/** `container.*`: what the OOM killer did to a container, and containers that something else ended. */

import type { CgroupOwner, Container } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { KillKind, LimitCgroup } from './oom-kill.ts';

/** One kill inside a container. */
export interface ContainerKill {
  /** Of the `oom.kill`. */
  kill_id: string;
  kind: KillKind;
  pid: number;
  comm: string | null;
  rss_bytes: number | null;
}

/**
 * The OOM killer was at work on a container: the kernel's kills and the runtime's words about them, joined.
 *
 * - `main_killed`: it killed the container's main process, and so the container.
 * - `process_killed`: it killed another process in it, and the main process was left alive.
 * - `spared`: the runtime says "oom", and the kernel killed nothing in it: on cgroup v1 a runtime is told of every OOM of a
 *   cgroup above, too.
 * - `reported`: the runtime says so, and the kernel's kills were not watched.
 */
export interface ContainerOom extends Envelope, CgroupOwner {
  type: 'container.oom';
  container: Container;
  verdict: 'main_killed' | 'process_killed' | 'spared' | 'reported';
  /** Whose limit was reached; null where no kill was seen. */
  limit_of: 'container' | 'cgroup_inside' | 'cgroup_above' | 'system' | 'nodes' | null;
  limit: LimitCgroup | null;
  kills: ContainerKill[];
  /** Did the container end of it, or shortly after? null: the runtime could not be asked. */
  ended: boolean | null;
  /** 137 is 128 + SIGKILL. null: it goes on, or is not known. */
  exit_code: number | null;
  /** The runtime's own word: its `oom` event was seen. Podman has no such event. null: it could not be asked. */
  runtime_oom: boolean | null;
  /** From the first kill to the runtime's word that the container has ended. */
  kill_to_end_ns: number | null;
}

/** A container ended with 137, and the OOM killer had nothing to do with it. */
export interface ContainerKilled extends Envelope, CgroupOwner {
  type: 'container.killed';
  container: Container;
  /** null: the runtime does not name it. */
  unit: null;
  /**
   * - `runtime`: the runtime was told to: `docker kill`, or `docker stop` when its patience ended.
   * - `other`: somebody else sent SIGKILL, or the program itself ended with 137: the runtime reports both alike.
   */
  by: 'runtime' | 'other';
  exit_code: number;
  /** false: the kernel's kills were not watched, so that only the runtime says that it was no OOM. */
  kernel_watched: boolean;
}
