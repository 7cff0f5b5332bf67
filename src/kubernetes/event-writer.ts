/**
 * Writes Events to the Kubernetes API, one after another, from a bounded queue that survives an API that is away. Nothing
 * waits for it. Every Event that is not written is counted and told.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type KubernetesClient } from './client.ts';
import { EventBudget, type Write } from './event-budget.ts';
import type { ObjectEvent } from './object-event.ts';
import { backoffMs } from './pod-watch.ts';

export interface EventWriterOptions {
  client: KubernetesClient;
  /** Called with sentences for the log, each once as long as it does not change. */
  tell?: (sentence: string) => void;
  /** For tests: the queue's length, the clock (ms), and the pause before attempt `failures` (ms). */
  most?: number;
  now?: () => number;
  pauseMs?: (failures: number) => number;
}

/** Kills that the writer was given, by what became of them. */
export interface EventCounts {
  written: number;
  /** Refused by the server: a missing right, a namespace that is gone. */
  refused: number;
  /** Dropped because the queue was full. */
  dropped: number;
  waiting: number;
}

interface Queued {
  write: Write;
  /** Kills of which only this write tells. */
  kills: number;
  /** How often the server has answered 403. */
  refusals: number;
}

/** An Event has some 1.5 kB. */
const MOST_WAITING = 1000;
const CLOSE_MS = 3000;
/** A server that has just started refuses requests until it has read the roles, so a refusal is tried again. */
const MOST_REFUSALS = 5;

export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #budget = new EventBudget();
  readonly #queue: Queued[] = [];
  readonly #ended = new AbortController();
  readonly #now: () => number;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing = false;
  #told = '';
  /** Where Events on nodes are. The kubelet's are in `default`. */
  #nodeNamespace = 'default';
  #written = 0;
  #refused = 0;
  #dropped = 0;

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get counts(): EventCounts {
    const queued = this.#queue.reduce((sum, { kills }) => sum + kills, 0);
    return {
      ...{ written: this.#written, refused: this.#refused, dropped: this.#dropped + this.#budget.lost },
      waiting: queued + this.#budget.waiting,
    };
  }

  /** Never blocks, never throws. */
  offer(event: ObjectEvent): void {
    const write = this.#closing ? undefined : this.#budget.take(event, this.#now());
    if (write) this.#push(write, 1);
    this.#arrange();
  }

  /** Writes what waits, for at most three seconds, whatever the budget of a series still permits. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    for (const write of this.#budget.due(Number.POSITIVE_INFINITY)) this.#push(write, 0);
    const timer = setTimeout(() => this.#ended.abort(), CLOSE_MS);
    this.#run();
    await this.#running;
    clearTimeout(timer);
    this.#ended.abort();
    const { waiting } = this.counts;
    if (waiting > 0) this.#tell(`${waiting} kills were not written as Kubernetes Events before the end.`);
  }

  #push(write: Write, kills: number): void {
    this.#queue.push({ write, kills, refusals: 0 });
    while (this.#queue.length > (this.#options.most ?? MOST_WAITING)) {
      // The first is being sent.
      const [dropped] = this.#queue.splice(this.#running ? 1 : 0, 1);
      this.#dropped += dropped?.kills ?? 0;
      this.#tell('The queue of Kubernetes Events is full: the oldest are dropped.');
    }
    this.#run();
  }

  /** Takes the counts of series when they are due. */
  #arrange(): void {
    clearTimeout(this.#timer);
    const next = this.#closing ? undefined : this.#budget.nextMs(this.#now());
    if (next === undefined) return;
    const wait = Math.min(Math.max(next - this.#now(), 10), 60_000);
    this.#timer = setTimeout(() => {
      // While the API is away, the counts stay in the budget, where they need no room.
      if (this.#queue.length === 0) for (const write of this.#budget.due(this.#now())) this.#push(write, 0);
      this.#arrange();
    }, wait).unref();
  }

  #run(): void {
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
  }

  async #drain(): Promise<void> {
    const { pauseMs = backoffMs } = this.#options;
    for (let failures = 0; this.#queue.length > 0 && !this.#ended.signal.aborted; ) {
      const queued = this.#queue[0] as Queued;
      try {
        await this.#send(queued.write);
        this.#written += queued.kills;
        failures = 0;
        this.#told = '';
      } catch (error) {
        const failure = error instanceof ApiError ? error : new ApiError(0, (error as Error).message);
        if (this.#mayPass(failure, queued)) {
          const pause = Math.max(pauseMs(failures++), failure.retryAfterMs ?? 0);
          await this.#pause(this.#closing ? Math.min(pause, 500) : pause);
          continue;
        }
        this.#refused += queued.kills;
        const { namespace } = queued.write.event.metadata;
        this.#tell(`A Kubernetes Event in the namespace ${namespace} was refused: ${failure.message}.`);
      }
      this.#queue.shift();
    }
  }

  #mayPass(failure: ApiError, queued: Queued): boolean {
    if (failure.isPassing || failure.status === 401) {
      this.#tell(`Kubernetes Events wait: ${failure.message}.`);
      return true;
    }
    // A namespace that is being deleted takes no more objects.
    return failure.status === 403 && !failure.message.includes('being terminated') && ++queued.refusals < MOST_REFUSALS;
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#ended.signal }).catch(() => {});
  }

  /** A repeat of an Event is answered with 409, which is as good as 201: the reply to the first request was lost. */
  async #send({ kind, event }: Write): Promise<void> {
    const { client } = this.#options;
    const { signal } = this.#ended;
    const namespace = event.regarding.kind === 'Node' ? this.#nodeNamespace : event.metadata.namespace;
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    try {
      if (kind === 'create') {
        const body = { ...event, metadata: { ...event.metadata, namespace } };
        await client.request(path, { method: 'POST', body, signal });
      } else {
        const body = { series: event.series };
        await client.request(`${path}/${event.metadata.name}`, { method: 'PATCH', body, signal });
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (kind === 'create' && error.status === 409) return;
      // An Event lives for an hour (--event-ttl), and its series may be longer: then it is created again.
      if (kind === 'count' && error.status === 404) return this.#send({ kind: 'create', event, count: 0 });
      if (error.status !== 422 || event.regarding.kind !== 'Node' || namespace === 'kube-system') throw error;
      // Kubernetes 1.19 and 1.20 take Events of this API on a node in kube-system only, later ones also in default.
      this.#nodeNamespace = 'kube-system';
      return this.#send({ kind, event, count: 0 });
    }
  }

  #tell(sentence: string): void {
    if (sentence !== this.#told) this.#options.tell?.(sentence);
    this.#told = sentence;
  }
}
