/**
 * Writes Events to the Kubernetes API, one after another, from a bounded queue that survives an API that is away, and with a
 * directory also the end of this process. Nothing waits for it. Every Event that is not written is counted and told.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type KubernetesClient } from './client.ts';
import { EventBudget, type Write } from './event-budget.ts';
import { EventSpool } from './event-spool.ts';
import { apiPauseMs } from './list-watch.ts';
import type { ObjectEvent } from './object-event.ts';
import { missingRule } from './rights.ts';

export interface EventWriterOptions {
  client: KubernetesClient;
  /** Called with sentences for the log, each once as long as it does not change. */
  tell?: (sentence: string) => void;
  /** A directory for waiting Events, which the next process then writes; undefined: they wait in memory. */
  directory?: string | undefined;
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

const CLOSE_MS = 3000;
/** A server that has just started refuses requests until it has read the roles, so a refusal is tried again. */
const MOST_REFUSALS = 5;
/** Where a right is missing, it is asked for again after this time (ms). Until then Events there are dropped. */
const DENIED_MS = 300_000;

export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #budget = new EventBudget();
  readonly #spool: EventSpool;
  readonly #ended = new AbortController();
  readonly #now: () => number;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing = false;
  #told = '';
  /** Where Events on nodes are. The kubelet's are in `default`. */
  #nodeNamespace = 'default';
  /** Since when (ms) a verb is not permitted in a namespace, by "verb namespace". */
  readonly #denied = new Map<string, number>();
  #written = 0;
  #refused = 0;
  #dropped = 0;

  /** @throws OomscopeError USAGE: the directory is not private to this user, or another process uses it */
  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    const { directory, most, tell } = options;
    this.#spool = new EventSpool({ directory, most, onTrouble: tell });
    this.#run(); // what an earlier process has left
  }

  get counts(): EventCounts {
    return {
      ...{ written: this.#written, refused: this.#refused, dropped: this.#dropped + this.#budget.lost },
      waiting: this.#spool.waiting + this.#budget.waiting,
    };
  }

  /** Never blocks, never throws. */
  offer(event: ObjectEvent): void {
    if (this.#closing) return;
    const write = this.#budget.take(event, this.#now());
    const counted = write ? undefined : this.#budget.unsaid(event);
    if (write) this.#push(write);
    else if (counted) this.#spool.note(counted);
    this.#arrange();
  }

  /** Writes what waits, for at most three seconds, whatever the budget of a series still permits. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    for (const write of this.#budget.due(Number.POSITIVE_INFINITY)) this.#push(write);
    const timer = setTimeout(() => this.#ended.abort(), CLOSE_MS);
    this.#run();
    await this.#running;
    clearTimeout(timer);
    this.#ended.abort();
    await this.#spool.close();
    const { waiting } = this.counts;
    if (waiting === 0) return;
    if (this.#spool.isKept) this.#tell(`${waiting} kills wait on disk: the next start writes their Kubernetes Events.`);
    else this.#tell(`${waiting} kills were not written as Kubernetes Events before the end.`);
  }

  #push(write: Write): void {
    const dropped = this.#spool.push(write);
    this.#dropped += dropped;
    if (dropped > 0) this.#tell('The queue of Kubernetes Events is full: the oldest are dropped.');
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
      if (this.#spool.isEmpty) for (const write of this.#budget.due(this.#now())) this.#push(write);
      this.#arrange();
    }, wait).unref();
  }

  #run(): void {
    if (this.#running || this.#spool.isEmpty || this.#ended.signal.aborted) return;
    this.#running = this.#drain().finally(() => {
      this.#running = undefined;
      this.#run(); // an Event that came while the drain ended
    });
  }

  async #drain(): Promise<void> {
    const { pauseMs = apiPauseMs } = this.#options;
    let [failures, refusals] = [0, 0];
    for (let turn = await this.#spool.next(); turn && !this.#ended.signal.aborted; ) {
      const { write } = turn;
      const failure = this.#isDenied(write) ? 'denied' : await this.#attempt(write);
      if (failure instanceof ApiError && this.#mayPass(failure, refusals)) {
        if (failure.status === 403) refusals++;
        const pause = Math.max(pauseMs(failures++), failure.retryAfterMs ?? 0);
        await this.#pause(this.#closing ? Math.min(pause, 500) : pause);
        continue;
      }
      if (failure === undefined) this.#succeeded(write);
      else this.#refused += write.kills;
      if (failure instanceof ApiError) this.#tellRefusal(write, failure);
      [failures, refusals] = [0, 0];
      turn.done();
      turn = await this.#spool.next();
    }
  }

  async #attempt(write: Write): Promise<ApiError | undefined> {
    try {
      await this.#send(write);
      return undefined;
    } catch (error) {
      return error instanceof ApiError ? error : new ApiError(0, (error as Error).message);
    }
  }

  #mayPass(failure: ApiError, refusals: number): boolean {
    if (failure.isPassing || failure.status === 401) {
      this.#tell(sentence(`Kubernetes Events wait: ${failure.message}`));
      return true;
    }
    // A namespace that is being deleted takes no more objects.
    return failure.status === 403 && !failure.message.includes('being terminated') && refusals + 1 < MOST_REFUSALS;
  }

  #succeeded(write: Write): void {
    this.#written += write.kills;
    this.#denied.delete(rightOf(write));
    this.#told = '';
  }

  #isDenied(write: Write): boolean {
    const since = this.#denied.get(rightOf(write));
    return since !== undefined && this.#now() - since < DENIED_MS;
  }

  /** A right that is missing is told once, and not for each kill and namespace. */
  #tellRefusal(write: Write, failure: ApiError): void {
    const rule = failure.status === 403 ? missingRule(failure.message) : undefined;
    const { namespace } = write.event.metadata;
    const told = sentence(`A Kubernetes Event in the namespace ${namespace} was refused: ${failure.message}`);
    if (rule === undefined) {
      this.#tell(told);
      return;
    }
    const isKnown = [...this.#denied.keys()].some((right) => right.startsWith(`${write.kind} `));
    this.#denied.set(rightOf(write), this.#now());
    if (!isKnown)
      this.#tell(`${told} The agent's role lacks the rule ${rule}. No Event is written there until it has it.`);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#ended.signal }).catch(() => {});
  }

  /** A repeat of an Event is answered with 409, which is as good as 201: the reply to the first request was lost. */
  async #send({ kind, event }: Pick<Write, 'kind' | 'event'>): Promise<void> {
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
      if (kind === 'create' && error.status === 409) return event.series && this.#send({ kind: 'count', event });
      // An Event lives for an hour (--event-ttl), and its series may be longer: then it is created again.
      if (kind === 'count' && error.status === 404) return this.#send({ kind: 'create', event });
      if (error.status !== 422 || event.regarding.kind !== 'Node' || namespace === 'kube-system') throw error;
      // Kubernetes 1.19 and 1.20 take Events of this API on a node in kube-system only, later ones also in default.
      this.#nodeNamespace = 'kube-system';
      return this.#send({ kind, event });
    }
  }

  #tell(sentence: string): void {
    if (sentence !== this.#told) this.#options.tell?.(sentence);
    this.#told = sentence;
  }
}

const rightOf = ({ kind, event }: Write) => `${kind} ${event.metadata.namespace}`;
const sentence = (words: string) => words.replace(/\.?$/, '.');
