/** `container.*`: what the OOM killer did to a container, and containers that something else killed. */

import type { CgroupOwner, Container } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { KillKind, LimitCgroup } from './oom-kill.ts';

/** One kill inside a container. */
export interface ContainerKill {
  /** The `id` of the `oom.kill`. */
  kill_id: string;
  /** What the kernel did to the process. */
  kind: KillKind;
  /** The process id. */
  pid: number;
  /** The name of the process. null: unknown. */
  comm: string | null;
  /** Its resident memory at the kill. null: unknown. */
  rss_bytes: number | null;
  /** Whether it was the main process of the container. null: unknown. */
  main: boolean | null;
}

/**
 * The OOM killer was at work in a container: the kernel's kills, joined with what the runtime said about them. Kills that
 * follow each other within two seconds are one incident. It is reported at once, then every two seconds while it goes on,
 * and once more when it is over.
 */
export interface ContainerOom extends Envelope, CgroupOwner {
  type: 'container.oom';
  /** The `id` of the first event about this incident. */
  incident: string;
  /** 0 in the first event about this incident, 1 in the next one, and so on. */
  update: number;
  /** Whether the incident is over: this is the last event about it. */
  final: boolean;
  /** The container. */
  container: Container;
  /**
   * - `main_killed`: the kernel killed the main process of the container, and so ended the container.
   * - `process_killed`: the kernel killed another process in it, and the main process lived on.
   * - `killed`: the kernel killed a process in it; whether it was the main process is unknown.
   * - `spared`: the runtime said "oom", and the kernel killed nothing in the container. On cgroup v1 a runtime hears of
   *   every OOM of the cgroups above, too.
   * - `reported`: the runtime said "oom", and the kernel's kills were not watched.
   */
  verdict: 'main_killed' | 'process_killed' | 'killed' | 'spared' | 'reported';
  /** Whether the kernel killed all processes of a cgroup at once, because of memory.oom.group. */
  group_kill: boolean;
  /**
   * Whose limit was hit: that of the container itself, of a cgroup inside it, of a cgroup above it (pod or slice), the
   * system's memory, or the memory of some NUMA nodes. null: no kill was seen.
   */
  limit_of: 'container' | 'cgroup_inside' | 'cgroup_above' | 'system' | 'nodes' | null;
  /** The cgroup whose limit was hit. null: it was not a cgroup's limit, or no kill was seen. */
  limit: LimitCgroup | null;
  /** How many processes the kernel killed in this container. */
  kill_count: number;
  /** The first 64 of these kills, in their order. */
  kills: ContainerKill[];
  /** Whether the container ended at the kill or shortly after. null: not known yet, or the runtime could not be asked. */
  ended: boolean | null;
  /** The exit code of the container: 137 is 128 + SIGKILL. null: it lives on, or unknown. */
  exit_code: number | null;
  /** Whether the runtime sent its own `oom` event. null: it could not be asked, or has no such event (Podman). */
  runtime_oom: boolean | null;
  /** From the first kill until the runtime said that the container had ended, in nanoseconds. null: one of the two is missing. */
  kill_to_end_ns: number | null;
}

/** A container ended with exit code 137, and the OOM killer had nothing to do with it. */
export interface ContainerKilled extends Envelope, CgroupOwner {
  type: 'container.killed';
  /** The container. */
  container: Container;
  /** The runtime does not name it. */
  unit: null;
  /**
   * - `runtime`: the runtime was told to kill it: `docker kill`, or `docker stop` after its timeout.
   * - `other`: another process sent SIGKILL, or the program itself ended with 137. The runtime reports both alike.
   */
  by: 'runtime' | 'other';
  /** 137. */
  exit_code: number;
  /** false: the kernel's kills were not watched, so only the runtime says that this was no OOM. */
  kernel_watched: boolean;
}
