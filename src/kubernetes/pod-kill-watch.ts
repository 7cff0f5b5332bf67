/** Follows the OOM kills of pods, and the ends of containers that Kubernetes reports as OOMKilled. */
import type { KubernetesClient } from './client.ts';
import { ListWatch } from './list-watch.ts';
import {
  byTime,
  type KillQuery,
  killEventsAt,
  listKillEvents,
  listPodStatuses,
  listStopEvents,
  type PodKill,
  PodKillTable,
  podsAt,
  stopEventsAt,
} from './pod-kills.ts';

export interface PodKillWatchOptions extends KillQuery {
  client: KubernetesClient;
  onRow: (row: PodKill) => void;
  /** Called when a watch is lost (a sentence) and when it goes on (undefined). */
  onTrouble?: (problem: string | undefined) => void;
  /** How long the judgement of an end waits for the Event of its kill (ms). */
  settleMs?: number;
}

/** The agent writes an Event within a second; a kubelet may report the end of the container before that. */
const SETTLE_MS = 3000;

export class PodKillWatch implements Disposable {
  /**
   * Resolves when the rows of the present were given, in the order of their time.
   *
   * @throws OomscopeError KUBERNETES, NOT_PERMITTED: Events or pods cannot be listed
   */
  readonly started: Promise<void>;
  readonly #options: PodKillWatchOptions;
  readonly #table: PodKillTable;
  readonly #events: ListWatch;
  readonly #stops: ListWatch;
  readonly #pods: ListWatch;
  /** What was listed before `started`: Events first, so that ends can be judged. */
  #first: { events: unknown[]; pods: unknown[] } | undefined = { events: [], pods: [] };
  #failed: (error: unknown) => void = () => {};
  /** Ends that are not judged yet, by their keys, each with the newest status of the pod that has the end. */
  readonly #settling = new Map<string, { pod: unknown; timer: NodeJS.Timeout }>();

  constructor(options: PodKillWatchOptions) {
    const { client, onTrouble } = options;
    this.#options = options;
    this.#table = new PodKillTable(options);
    const failure = new Promise<never>((_, reject) => {
      this.#failed = reject;
    });
    this.#events = new ListWatch({
      ...{ client, ...killEventsAt(options), onTrouble },
      list: (signal) => this.#list('events', listKillEvents(client, options, signal)),
      onChange: (type, event) => this.#takeEvent(type, event),
    });
    this.#stops = new ListWatch({
      ...{ client, ...stopEventsAt(options), onTrouble },
      list: (signal) => this.#list('stops', listStopEvents(client, options, signal)),
      onChange: (type, event) => this.#table.takeStop(type, event),
    });
    this.#pods = new ListWatch({
      ...{ client, ...podsAt(options), onTrouble },
      list: (signal) => this.#list('pods', listPodStatuses(client, options, signal)),
      onChange: (_, pod) => this.#takePod(pod),
    });
    const listed = Promise.all([this.#events.ready, this.#stops.ready, this.#pods.ready]).then(() => this.#begin());
    this.started = Promise.race([failure, listed]);
    this.started.catch(() => {});
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
    this.#stops[Symbol.dispose]();
    this.#pods[Symbol.dispose]();
    for (const { timer } of this.#settling.values()) clearTimeout(timer);
  }

  async #list(
    kind: 'events' | 'stops' | 'pods',
    listing: ReturnType<typeof listKillEvents>,
  ): Promise<string | undefined> {
    const { objects, version } = await listing.catch((error) => {
      if (this.#first) this.#failed(error);
      throw error;
    });
    if (kind === 'stops') for (const object of objects) this.#table.takeStop('ADDED', object);
    else if (this.#first) this.#first[kind] = objects;
    else for (const object of objects) kind === 'events' ? this.#takeEvent('ADDED', object) : this.#takePod(object);
    return version;
  }

  #begin(): void {
    const { events, pods } = this.#first ?? { events: [], pods: [] };
    this.#first = undefined;
    const rows = events.flatMap((event) => this.#table.takeEvent(event) ?? []);
    const newest = new Map(pods.flatMap((pod) => this.#table.newsOf(pod).map((key) => [key, pod] as const)));
    for (const [key, pod] of newest) rows.push(...this.#table.takePod(pod, key));
    for (const row of rows.sort(byTime)) this.#options.onRow(row);
  }

  #takeEvent(type: string, event: unknown): void {
    if (this.#first) this.#first.events.push(event);
    else if (type === 'DELETED') this.#table.removeEvent(event);
    else this.#tell(this.#table.takeEvent(event));
  }

  #takePod(pod: unknown): void {
    if (this.#first) this.#first.pods.push(pod);
    else for (const key of this.#table.newsOf(pod)) this.#settle(key, pod);
  }

  /**
   * Judges an end later. A kubelet may correct the reason of an end, so a newer status with the same end counts. It may also replace the
   * end by ContainerStatusUnknown, which has another key: then the last status with the end counts.
   */
  #settle(key: string, pod: unknown): void {
    const known = this.#settling.get(key);
    if (known) {
      known.pod = pod;
      return;
    }
    const settling = {
      pod,
      timer: setTimeout(() => {
        this.#settling.delete(key);
        for (const row of this.#table.takePod(settling.pod, key)) this.#tell(row);
      }, this.#options.settleMs ?? SETTLE_MS),
    };
    this.#settling.set(key, settling);
  }

  #tell(row: PodKill | undefined): void {
    if (row) this.#options.onRow(row);
  }
}
