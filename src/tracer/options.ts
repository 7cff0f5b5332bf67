import type { Backend } from '../bpf/load/variants.ts';
import type { ContainerResolver, ContainerResolverOptions } from '../containers/container-resolver.ts';
import type { PressureOptions } from '../pressure/options.ts';
import type { OptionNames } from '../text/unknown-option.ts';

/** Options of `openTracer()`. */
export interface TracerOptions {
  /** Size of the kernel's ring in bytes: a power of two, at least 65,536. Default 524,288, which holds some 200 kills. */
  ringBytes?: number;
  /** Size in bytes of one batch handed to JavaScript: at least 131,072, also the default. Two batches are kept in memory. */
  batchBytes?: number;
  /** Read what the kernel's record lacks from /proc/PID. Default true. */
  readProc?: boolean;
  /**
   * Which kills come with the list of processes that the kernel chose from. `system`, the default: kills that no cgroup's
   * limit caused. The kernel program walks all processes for it, some 0.5 µs each, and the event waits for that.
   */
  candidates?: 'never' | 'system' | 'always';
  /**
   * Ask container runtimes for the names of containers: Docker's socket where there is one, Podman's and CRI-O's lists.
   * Default true. `false`: a container is named by the id in the path of its cgroup. The caller owns a `ContainerResolver` that it
   * passes, and must close it.
   */
  containers?: boolean | ContainerResolverOptions | ContainerResolver;
  /**
   * Keep the last minute of usage, pressure and growth for the `lead_up` of kills. It samples /proc and the cgroups once a
   * second, less often while nothing changes. Default false: a tracer that only waits needs 10 MB less, and sleeps.
   */
  leadUp?: boolean;
  /**
   * Emit an `oom.report` with each kill: the kernel's own report, as it prints it, and what it means. Default false: the
   * parser takes some memory.
   */
  report?: boolean;
  /** Watch memory pressure too: its events join the stream. `true`: as `openPressure()` does by default. Default false. */
  pressure?: boolean | PressureOptions;
  /** Use this backend wherever it exists, for tests. By default the best that the kernel has. */
  backend?: Backend;
  /** Closes the tracer when it fires. */
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
  pressure: true,
  backend: true,
  signal: true,
};
