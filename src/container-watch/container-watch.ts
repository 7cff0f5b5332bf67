/**
 * Watches the kernel and the container runtimes together, and reports OOM kills in containers and ends of containers.
 */

import { type Observable, Subject } from 'rxjs';
import { ContainerResolver } from '../containers/container-resolver.ts';
import { noRuntime, openRuntimes } from '../containers/runtime-sockets.ts';
import { EnvelopeFactory } from '../events/envelope.ts';
import { LossCounter } from '../events/loss-counter.ts';
import type { ContainerKilled, ContainerOom } from '../model/container-events.ts';
import { OomscopeError } from '../model/error.ts';
import type { TracerLost, TracerStarted, TracerStopped } from '../model/events.ts';
import type { ProcessKilled } from '../model/process-killed.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import { openTracer, type Tracer } from '../tracer/tracer.ts';
import { IncidentTracker } from './incident-tracker.ts';

/** Options of `openContainerWatch()`. */
export interface ContainerWatchOptions {
  /** Sockets of runtimes. Default: the sockets of Docker and Podman, including those that are created later. */
  sockets?: readonly string[];
  /** As the option of `ContainerResolver`: also watch other users' runtimes. Default false. */
  otherUsers?: boolean;
}

/** The events of a container watch. */
export type ContainerWatchEvent = ContainerOom | ContainerKilled | ProcessKilled | TracerLost | TracerStopped;

/**
 * Opens a watch. It keeps the process alive until closed.
 *
 * @throws OomscopeError RUNTIME_MISSING, NOT_PERMITTED: neither a runtime nor the kernel can be watched
 */
export async function openContainerWatch(options: ContainerWatchOptions = {}): Promise<ContainerWatch> {
  refuseUnknownOptions('openContainerWatch()', options, { sockets: true, otherUsers: true });
  const watch = new ContainerWatch(options);
  await watch.containers.start();
  try {
    watch.follow(await openTracer({ containers: watch.containers, allKills: 'sent' }));
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    watch.kernelError = error;
    if (watch.containers.runtimes().length === 0) {
      watch.close();
      throw noRuntime(await openRuntimes(options), `The kernel cannot be watched either: ${error.message}`);
    }
  }
  return watch;
}

/** Watches the kernel and the container runtimes until it is closed. */
export class ContainerWatch implements Disposable {
  /** Hot: a late subscriber misses earlier events. */
  readonly events$: Observable<ContainerWatchEvent>;
  /** Looks up the names of containers. close() also closes it. */
  readonly containers: ContainerResolver;
  /**
   * Why the kernel's kills cannot be watched. Then only the runtimes' events are reported. undefined: they are
   * watched.
   */
  kernelError: OomscopeError | undefined;
  readonly #events = new Subject<ContainerWatchEvent>();
  readonly #envelopes = new EnvelopeFactory();
  readonly #losses = new LossCounter(this.#envelopes);
  readonly #incidents: IncidentTracker;
  #tracer: Tracer | undefined;

  constructor({ sockets, otherUsers = false }: ContainerWatchOptions) {
    this.events$ = this.#events.asObservable();
    this.containers = new ContainerResolver({
      ...(sockets ? { sockets } : { runtimes: 'all' as const }),
      otherUsers,
      onEvent: (event) => this.#incidents.onRuntime(event),
      onLost: (count) => this.#events.next(this.#losses.runtime(count)),
    });
    this.#incidents = new IncidentTracker({
      envelopes: this.#envelopes,
      emit: (event) => this.#events.next(event),
      kernelWatched: () => this.#tracer !== undefined && Object.keys(this.#tracer.lostSoFar()).length === 0,
      killersWatched: () => this.#tracer?.killWatch !== undefined,
      containerOf: (path) => this.containers.ownerOf(path).container,
      runtimeWatched: ({ runtime }) => this.containers.runtimes().some((one) => runtime === null || one === runtime),
    });
  }

  /** The first event of the tracer. undefined: the kernel's kills are not watched. */
  get started(): TracerStarted | undefined {
    return this.#tracer?.started;
  }

  /** Adds the kills that a tracer reports to this watch. close() closes the tracer, too. */
  follow(tracer: Tracer): void {
    this.#tracer = tracer;
    tracer.killWatch?.initExits$.subscribe((exit) => this.#incidents.onInitExit(exit));
    tracer.events$.subscribe({
      next: (event) => {
        if (event.type === 'oom.kill') this.#incidents.onKill(event);
        else if (event.type === 'oom.stuck') this.#incidents.onStuck(event);
        else if (event.type === 'process.killed') this.#incidents.onDeath(event);
        else if (event.type === 'tracer.lost' || event.type === 'tracer.stopped') this.#events.next(event);
      },
      error: (error) => this.#events.error(error),
    });
  }

  /** Makes a `tracer.lost` event for a caller that had to drop events. `events$` does not emit it. */
  lostBehind(dropped: Record<string, number>): TracerLost {
    return this.#losses.behind(dropped);
  }

  /** Emits the last report of each open incident, and completes the stream. Idempotent. */
  close(): void {
    this.#incidents.close();
    this.#tracer?.close();
    this.containers.close();
    this.#events.complete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
