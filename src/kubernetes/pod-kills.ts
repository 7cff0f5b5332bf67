/** Joins the Events of oomscope with what Kubernetes says about the ends of containers. */
import type { KubernetesClient } from './client.ts';
import { endingsOf, judge, type KnownKill, killOf, type Verdict } from './endings.ts';
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

/** @returns rows in the order of their time @throws OomscopeError KUBERNETES, NOT_PERMITTED */
export async function podKills(client: KubernetesClient, { namespace, sinceMs }: KillQuery): Promise<PodKill[]> {
  const within = namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  const selector = `fieldSelector=${encodeURIComponent(`reportingController=${CONTROLLER}`)}`;
  const events = await asked('list the Events', all(client, `/apis/events.k8s.io/v1${within}/events`, selector));
  const pods = await asked('list the pods', all(client, `/api/v1${within}/pods`, ''));
  const killsOf = new Map<string, KnownKill[]>();
  const rows: PodKill[] = [];
  for (const event of events) {
    const kill = killOf(event);
    const { namespace: space, name, uid } = record(record(event).regarding);
    if (!kill) continue;
    killsOf.set(String(uid), [...(killsOf.get(String(uid)) ?? []), kill]);
    if (kill.lastMs >= sinceMs) rows.push(killRow(kill, event, text(space) ?? '', text(name) ?? ''));
  }
  for (const pod of pods) {
    const kills = killsOf.get(String(record(record(pod).metadata).uid)) ?? [];
    rows.push(...statusRows(pod, kills).filter(({ time }) => time === null || Date.parse(time) >= sinceMs));
  }
  return rows.sort((a, b) => (a.time ?? '').localeCompare(b.time ?? ''));
}

function killRow(kill: KnownKill, event: unknown, namespace: string, pod: string): PodKill {
  const { reason, reportingInstance } = record(event);
  return {
    ...{ source: 'kill', time: new Date(kill.lastMs).toISOString(), namespace, pod, container: kill.container },
    ...{ node: text(reportingInstance), reason: text(reason) ?? '', count: kill.count, exit_code: null, verdict: null },
    message: kill.note,
  };
}

function statusRows(pod: unknown, kills: readonly KnownKill[]): PodKill[] {
  const { metadata, spec } = record(pod);
  const { namespace, name } = record(metadata);
  return endingsOf(pod).flatMap((ending) => {
    const judgement = judge(ending, kills);
    if (!judgement) return [];
    const { container, reason, exitCode, finishedMs } = ending;
    return [
      {
        ...{ source: 'status' as const, time: finishedMs === null ? null : new Date(finishedMs).toISOString() },
        ...{ namespace: text(namespace) ?? '', pod: text(name) ?? '', container, node: text(record(spec).nodeName) },
        ...{ reason, count: 1, exit_code: exitCode, verdict: judgement.verdict, message: judgement.why },
      },
    ];
  });
}

async function all(client: KubernetesClient, path: string, query: string): Promise<unknown[]> {
  const found: unknown[] = [];
  let more = '';
  for (let page = 0; page < MOST_PAGES; page++) {
    const list = await client.request(`${path}?limit=${PAGE}&${query}${more}`, {
      timeoutMs: 60_000,
      mostValues: 4_000_000,
    });
    found.push(...items(list.items));
    const next = text(record(list.metadata).continue);
    if (next === null) break;
    more = `&continue=${encodeURIComponent(next)}`;
  }
  return found;
}

/** Names of the namespaces, to find one that is misspelled; empty: they may not be listed. */
export async function namespaces(client: KubernetesClient): Promise<string[]> {
  const list = await client.request('/api/v1/namespaces').catch(() => ({ items: [] }));
  return items(list.items).flatMap((each) => text(record(record(each).metadata).name) ?? []);
}
