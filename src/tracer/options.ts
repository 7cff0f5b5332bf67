import type { Deaths } from '../bpf/load/signals-loader.ts';
import type { Backend } from '../bpf/load/variants.ts';
import type { ContainerResolver, ContainerResolverOptions } from '../containers/container-resolver.ts';
import type { PressureOptions } from '../pressure/options.ts';
import type { OptionNames } from '../text/unknown-option.ts';

/** Options of `openTracer()`. */
export interface TracerOptions {
  /**
   * Size of the BPF ring buffer in bytes: a power of two, at least 65,536. Default 524,288, enough for some 200 kills.
   */
  ringBytes?: number;
  /** Size in bytes of one batch of records: at least 131,072, which is the default. Two batches are kept in memory. */
  batchBytes?: number;
  /** Read facts that the kernel's record lacks from /proc/PID. Default true. */
  readProc?: boolean;
  /**
   * Which kills have the list of candidates: the processes from which the kernel chose its victim. Default `system`:
   * kills that no cgroup's limit caused. The BPF program walks all processes for this list, some 0.5 µs each, and the
   * event waits for the list.
   */
  candidates?: 'never' | 'system' | 'always';
  /**
   * Find the names of containers: from Docker's socket if it exists, and from Podman's and CRI-O's lists. Default true.
   * `false`: events have only the container's id, from the path of its cgroup. A `ContainerResolver` that the caller
   * passes stays open; the caller must close it.
   */
  containers?: boolean | ContainerResolverOptions | ContainerResolver;
  /**
   * Keep the last minute of usage, pressure and growth for the `lead_up` of kills. This samples /proc and the cgroups
   * once a second, less often while nothing changes. Default false: without it the tracer needs 10 MB less, and sleeps
   * while nothing happens.
   */
  leadUp?: boolean;
  /**
   * Emit an `oom.report` with each kill: the report that the kernel prints to its log, and what it means. Default
   * false, because the parser takes some memory.
   */
  report?: boolean;
  /**
   * Emit a `process.killed` for each process that dies of a signal, with the sender of the signal. `true` is the same
   * as `sent`: deaths by SIGKILL, and by each other signal that another process sent. `kill`: only by SIGKILL. `all`: by
   * any signal, also crashes, Ctrl-C and SIGPIPE. Default false.
   */
  allKills?: boolean | Deaths;
  /**
   * Watch memory pressure, too, and emit its events in `events$`. `true`: with the defaults of `openPressure()`.
   * Default false.
   */
  pressure?: boolean | PressureOptions;
  /** Use this backend for every hook that has it, for tests. Default: the best backend that the kernel has. */
  backend?: Backend;
  /** Closes the tracer when it is aborted. */
  signal?: AbortSignal;
}

export const tracerOptionNames: OptionNames<TracerOptions> = {
  ringBytes: true,
  batchBytes: true,
  readProc: true,
  candidates: true,
  containers: true,
  leadUp: true,
  report: true,
  allKills: true,
  pressure: true,
  backend: true,
  signal: true,
};
