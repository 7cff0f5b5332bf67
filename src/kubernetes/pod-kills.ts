/** Joins the Events of oomscope with what Kubernetes says about the ends of containers. */
import type { KubernetesClient } from './client.ts';
import {
  type Ending,
  endingsOf,
  evictionOf,
  judge,
  type KnownKill,
  type KubeletStop,
  killOf,
  stopOf,
  type Verdict,
} from './endings.ts';
import { asked } from './failure.ts';
import { items, record, text } from './foreign.ts';
import { CONTROLLER } from './object-event.ts';

/** A row of `oomscope k8s events`. */
export interface PodKill {
  /** `kill`: an OOM kill, from an Event of oomscope. `status`: an end of a container, as Kubernetes reports it. */
  source: 'kill' | 'status';
  /** RFC 3339. null: unknown. */
  time: string | null;
  namespace: string;
  pod: string;
  container: string | null;
  node: string | null;
  /** The reason of the Event or of the status. */
  reason: string;
  /** How many kills the Event stands for; of a status, 1. */
  count: number;
  exit_code: number | null;
  /** Whether the status is true. null: this row is a kill. */
  verdict: Verdict | null;
  message: string;
}

export interface KillQuery {
  /** null: all namespaces. */
  namespace: string | null;
  /** Rows before this time are left out (ms since 1970). */
  sinceMs: number;
}

/** Pages, so that no answer is large. */
const PAGE = 500;
const MOST_PAGES = 400;
/** Ends of containers that are remembered, so that none is a row twice. */
const MOST_SEEN = 100_000;

/** @returns rows in the order of their time @throws OomscopeError KUBERNETES, NOT_PERMITTED */
export async function podKills(client: KubernetesClient, query: KillQuery): Promise<PodKill[]> {
  const table = new PodKillTable(query);
  for (const event of (await listStopEvents(client, query)).objects) table.takeStop('ADDED', event);
  const rows = (await listKillEvents(client, query)).objects.flatMap((event) => table.takeEvent(event) ?? []);
  rows.push(...(await listPodStatuses(client, query)).objects.flatMap((pod) => table.takePod(pod)));
  return rows.sort(byTime);
}

export const byTime = (a: PodKill, b: PodKill): number => (a.time ?? '').localeCompare(b.time ?? '');

/** Joins Events and statuses, in whatever order they come, and gives each row once. */
export class PodKillTable {
  readonly #sinceMs: number;
  /** By the uid of the pod and the name of the Event. */
  readonly #kills = new Map<string, Map<string, KnownKill>>();
  /** What the kubelets have told, by the uid of the pod and the name of the Event. */
  readonly #stops = new Map<string, Map<string, KubeletStop>>();
  readonly #seen = new Set<string>();

  constructor({ sinceMs }: Pick<KillQuery, 'sinceMs'>) {
    this.#sinceMs = sinceMs;
  }

  /** @returns the row of an Event; undefined: it is of another kind, or tells nothing new */
  takeEvent(event: unknown): PodKill | undefined {
    const { regarding, metadata } = record(event);
    const kill = killOf(event);
    const { namespace, name } = record(regarding);
    if (!kill) return undefined;
    const before = this.#kills.get(podOf(event))?.get(String(record(metadata).name));
    put(this.#kills, event, kill);
    if (kill.lastMs < this.#sinceMs || (before && before.count >= kill.count)) return undefined;
    return killRow(kill, event, text(namespace) ?? '', text(name) ?? '');
  }

  /** The Event has expired. */
  removeEvent(event: unknown): void {
    put(this.#kills, event, undefined);
  }

  /** Remembers what a kubelet tells about the end of a container. @param type of the change; "DELETED": the Event has expired */
  takeStop(type: string, event: unknown): void {
    const stop = type === 'DELETED' ? undefined : stopOf(event);
    put(this.#stops, event, stop);
  }

  /** The keys of the ends of containers and of the eviction of a pod that takePod() has not judged. */
  newsOf(pod: unknown): string[] {
    const uid = record(record(pod).metadata).uid;
    const keys = endingsOf(pod).map((ending) => endingKey(uid, ending));
    return (evictionOf(pod) ? [...keys, evictionKey(uid)] : keys).filter((key) => !this.#seen.has(key));
  }

  /**
   * Judges the ends of containers and the eviction of a pod by the Events so far.
   *
   * @param only of newsOf(): the others are left for a later call
   * @returns a row for each that is new and about memory
   */
  takePod(pod: unknown, only?: string): PodKill[] {
    const isNew = (key: string) => (only === undefined || key === only) && !this.#wasSeen(key);
    const { metadata, spec, status } = record(pod);
    const { namespace, name, uid } = record(metadata);
    const kills = [...(this.#kills.get(String(uid))?.values() ?? [])];
    const stops = [...(this.#stops.get(String(uid))?.values() ?? [])]
      .map((stop) => withEviction(stop, status))
      .sort((a, b) => a.lastMs - b.lastMs);
    const whose = { namespace: text(namespace) ?? '', pod: text(name) ?? '', node: text(record(spec).nodeName) };
    const rows = endingsOf(pod).flatMap((ending) => {
      if (!isNew(endingKey(uid, ending))) return [];
      const { container, reason, exitCode, finishedMs } = ending;
      const judgement = judge(ending, kills, stops);
      if (!judgement) return [];
      const { verdict, why } = judgement;
      return [statusRow(finishedMs, { ...whose, container, reason, exit_code: exitCode, verdict, message: why })];
    });
    const eviction = evictionOf(pod);
    if (eviction && isNew(evictionKey(uid))) {
      const facts = { container: null, reason: 'Evicted', exit_code: null, verdict: 'evicted' as const };
      const message = `The kubelet evicted the pod: "${eviction.words.trim()}"`;
      rows.push(statusRow(eviction.atMs ?? stops.at(-1)?.lastMs ?? null, { ...whose, ...facts, message }));
    }
    return rows.filter(({ time }) => time === null || Date.parse(time) >= this.#sinceMs);
  }

  /** Remembers the key, too. */
  #wasSeen(key: string): boolean {
    const wasSeen = this.#seen.has(key);
    this.#remember(key);
    return wasSeen;
  }

  #remember(key: string): void {
    this.#seen.add(key);
    if (this.#seen.size > MOST_SEEN) this.#seen.delete(this.#seen.values().next().value as string);
  }
}

/** Of an eviction, the kubelet's Event says only "Stopping container app"; why is in the status of the pod. */
function withEviction(stop: KubeletStop, status: unknown): KubeletStop {
  const { reason, message } = record(status);
  if (reason !== 'Evicted' || !stop.words.startsWith('Stopping container')) return stop;
  return { ...stop, words: `${stop.words}. Evicted: ${text(message) ?? ''}`.trimEnd() };
}

const podOf = (event: unknown) => String(record(record(event).regarding).uid);

/** Sets or, with undefined, removes what an Event says. */
function put<T>(of: Map<string, Map<string, T>>, event: unknown, value: T | undefined): void {
  const pod = podOf(event);
  const ofPod = of.get(pod) ?? new Map<string, T>();
  const name = String(record(record(event).metadata).name);
  if (value === undefined) ofPod.delete(name);
  else ofPod.set(name, value);
  if (ofPod.size === 0) of.delete(pod);
  else of.set(pod, ofPod);
}

const endingKey = (uid: unknown, { container, finishedMs, exitCode }: Ending) =>
  `${uid} ${container} ${finishedMs} ${exitCode}`;

const evictionKey = (uid: unknown) => `${uid} evicted`;

function statusRow(atMs: number | null, facts: Omit<PodKill, 'source' | 'time' | 'count'>): PodKill {
  return { source: 'status', time: atMs === null ? null : new Date(atMs).toISOString(), count: 1, ...facts };
}

function killRow(kill: KnownKill, event: unknown, namespace: string, pod: string): PodKill {
  const { reason, reportingInstance } = record(event);
  return {
    ...{ source: 'kill', time: new Date(kill.lastMs).toISOString(), namespace, pod, container: kill.container },
    ...{ node: text(reportingInstance), reason: text(reason) ?? '', count: kill.count, exit_code: null, verdict: null },
    message: kill.note,
  };
}

/** Objects of all pages, and the version of the list. */
export interface Listed {
  objects: unknown[];
  version: string | undefined;
}

/** Where the Events of oomscope, those of the kubelets about stops, and the pods are. */
export const killEventsAt = ({ namespace }: Pick<KillQuery, 'namespace'>) => ({
  path: `/apis/events.k8s.io/v1${within(namespace)}/events`,
  fieldSelector: `reportingController=${CONTROLLER}`,
});
export const stopEventsAt = ({ namespace }: Pick<KillQuery, 'namespace'>) => ({
  path: `/apis/events.k8s.io/v1${within(namespace)}/events`,
  fieldSelector: 'reason=Killing',
});
export const podsAt = ({ namespace }: Pick<KillQuery, 'namespace'>) => ({
  path: `/api/v1${within(namespace)}/pods`,
  fieldSelector: '',
});
const within = (namespace: string | null) => (namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`);

/** @throws OomscopeError KUBERNETES, NOT_PERMITTED */
export const listKillEvents = (client: KubernetesClient, query: KillQuery, signal?: AbortSignal): Promise<Listed> =>
  asked('list the Events', all(client, killEventsAt(query), signal));

/** @throws OomscopeError KUBERNETES, NOT_PERMITTED */
export const listStopEvents = (client: KubernetesClient, query: KillQuery, signal?: AbortSignal): Promise<Listed> =>
  asked('list the Events', all(client, stopEventsAt(query), signal));

/** @throws OomscopeError KUBERNETES, NOT_PERMITTED */
export const listPodStatuses = (client: KubernetesClient, query: KillQuery, signal?: AbortSignal): Promise<Listed> =>
  asked('list the pods', all(client, podsAt(query), signal));

async function all(
  client: KubernetesClient,
  { path, fieldSelector }: { path: string; fieldSelector: string },
  signal: AbortSignal | undefined,
): Promise<Listed> {
  const objects: unknown[] = [];
  let version: string | undefined;
  let more = '';
  for (let page = 0; page < MOST_PAGES; page++) {
    const list = await client.request(
      `${path}?limit=${PAGE}&fieldSelector=${encodeURIComponent(fieldSelector)}${more}`,
      { timeoutMs: 60_000, mostValues: 4_000_000, signal },
    );
    objects.push(...items(list.items));
    version = text(record(list.metadata).resourceVersion) ?? undefined;
    const next = text(record(list.metadata).continue);
    if (next === null) break;
    more = `&continue=${encodeURIComponent(next)}`;
  }
  return { objects, version };
}

/** Names of the namespaces, to find one that is misspelled; empty: they may not be listed. */
export async function namespaces(client: KubernetesClient): Promise<string[]> {
  const list = await client.request('/api/v1/namespaces').catch(() => ({ items: [] }));
  return items(list.items).flatMap((each) => text(record(record(each).metadata).name) ?? []);
}
