/** What the history keeps of an event beside its JSON: the columns by which it is found. */
import type { CgroupOwner } from '../model/container.ts';
import type { Event } from '../model/events.ts';

/**
 * The kinds of entries.
 * - `killed`, `already_dying`, `group_member`, `shared_memory`: kills of the kernel's OOM killer that were traced.
 * - `logged`: an OOM that was read from the kernel's log, because oomscope did not run.
 * - `other`: a kill that another program logged. `signal`: a death by a signal that no other entry is about.
 * - `guard`, `pressure`, `usage`, `container`, `stuck`, `suggestion`: events of that family.
 * - `lost`: losses. `run`: starts and stops of oomscope. `detail`: a part of a kill's story.
 */
export const entryKinds = [
  ...(['killed', 'already_dying', 'group_member', 'shared_memory', 'logged', 'other', 'signal', 'guard'] as const),
  ...(['pressure', 'usage', 'container', 'stuck', 'suggestion', 'lost', 'run', 'detail'] as const),
];
export type EntryKind = (typeof entryKinds)[number];

/** The kinds that are kills for want of memory, or deaths by a signal. */
export const killKinds: readonly EntryKind[] = ['killed', 'group_member', 'shared_memory', 'logged', 'other', 'signal'];

/**
 * Where an entry is shown: `Rank.listed` always, `Rank.asked` if its kind is asked for, `Rank.part` only in the story of
 * another entry.
 */
export const Rank = { part: 0, asked: 1, listed: 2 } as const;

export interface Entry {
  id: string;
  timeMs: number;
  /** CLOCK_MONOTONIC. null: unknown. */
  monoMs: number | null;
  /** The first eight digits of the boot's id. null: unknown. */
  boot: string | null;
  type: string;
  kind: EntryKind;
  rank: number;
  /** Whether it was read from the kernel's log. */
  logged: boolean;
  /** Entries with the same text are one story: a kill and what followed, an episode, a plan of the guard. */
  story: string;
  /** The earlier entries of this type and story get this rank. null: they stay as they are. */
  replaces: { type: string; rank: number } | null;
  /** How many processes were killed. */
  kills: number;
  pid: number | null;
  /** The thread that the kernel marked as its victim, which the kernel's log calls "pid". */
  tid: number | null;
  name: string | null;
  container: string | null;
  containerId: string | null;
  /** NAMESPACE/NAME, or the uid of the pod. */
  pod: string | null;
  unit: string | null;
  cgroup: string | null;
  json: string;
}

/** @returns undefined: the history does not keep events of this type, because they are too many or can be computed */
export function entryOf(event: Event): Entry | undefined {
  const columns = columnsOf(event);
  return columns && { ...columns, json: jsonOf(event) };
}

/** The report of a machine with 10,000 processes has 4 MB. */
const MOST_JSON = 2 ** 21;
const MOST_TASKS = 500;

/** The JSON of an event. Of a very large report, the lines and the smaller processes are left out. */
function jsonOf(event: Event): string {
  const json = JSON.stringify(event);
  if (json.length <= MOST_JSON || event.type !== 'oom.report') return json;
  const largest = event.tasks.toSorted((a, b) => b.rss_bytes - a.rss_bytes).slice(0, MOST_TASKS);
  const left = `The history keeps the ${MOST_TASKS} largest of ${event.tasks.length} processes, and no lines.`;
  return JSON.stringify({ ...event, lines: null, tasks: largest, warnings: [...event.warnings, left] });
}

/** What the history keeps of an event, without its JSON. */
export function columnsOf(event: Event): Omit<Entry, 'json'> | undefined {
  const facts = factsOf(event);
  if (!facts) return undefined;
  const { kind, rank, victim = null, owner = victim } = facts;
  const mono = monoOf(event);
  const pod = owner?.pod;
  return {
    id: event.id,
    timeMs: Date.parse(event.time),
    monoMs: mono,
    boot: event.boot_id?.replaceAll('-', '').slice(0, 8) ?? null,
    type: event.type,
    kind,
    rank,
    logged: event.source === 'log',
    story: facts.story ?? event.id,
    replaces: facts.replaces ?? null,
    kills: facts.kills ?? 0,
    pid: victim?.pid ?? null,
    tid: facts.tid ?? null,
    name: victim?.comm ?? null,
    container: owner?.container?.name ?? null,
    containerId: owner?.container?.id ?? null,
    pod: pod ? (pod.name === null ? pod.uid : `${pod.namespace ?? ''}/${pod.name}`) : null,
    unit: owner?.unit ?? null,
    cgroup: victim?.cgroup ?? facts.cgroup ?? null,
  };
}

interface Facts {
  kind: EntryKind;
  rank: number;
  story?: string;
  replaces?: { type: string; rank: number };
  kills?: number;
  tid?: number;
  victim?: (Partial<CgroupOwner> & { pid: number | null; comm: string | null; cgroup?: string | null }) | null;
  owner?: Partial<CgroupOwner> | null;
  cgroup?: string | null;
}

function factsOf(event: Event): Facts | undefined {
  switch (event.type) {
    case 'oom.kill': {
      const { kind, victim } = event;
      return { kind, rank: Rank.listed, kills: kind === 'already_dying' ? 0 : 1, tid: victim.tid, victim };
    }
    case 'oom.reaped':
      return { kind: 'detail', rank: Rank.part, story: event.kill_id, victim: { ...event.victim, cgroup: null } };
    case 'oom.report':
      return ofReport(event);
    case 'oom.other_kill': {
      const { role, pid, comm, cgroup } = event;
      const kills = role === 'killed' ? 1 : 0;
      return { kind: 'other', rank: kills ? Rank.listed : Rank.asked, kills, victim: { ...event, pid, comm, cgroup } };
    }
    case 'process.killed':
      return event.kill_id === null
        ? { kind: 'signal', rank: Rank.listed, kills: 1, victim: event.victim }
        : { kind: 'detail', rank: Rank.part, story: event.kill_id, victim: event.victim };
    case 'oom.stuck':
      return { kind: 'stuck', rank: Rank.listed, owner: event.cgroup, cgroup: event.cgroup.path };
    case 'container.oom':
    case 'container.killed':
      return ofContainer(event);
    case 'pressure.level':
    case 'memory.usage':
      return ofLevel(event);
    case 'memory.suggestion':
    case 'memory.reclaimed':
      return { kind: 'suggestion', rank: Rank.asked };
    case 'guard.plan':
    case 'guard.action':
    case 'guard.result':
    case 'guard.skipped':
    case 'guard.status':
      return ofGuard(event);
    case 'tracer.lost':
      return { kind: 'lost', rank: Rank.listed };
    case 'tracer.started':
    case 'tracer.stopped':
      return { kind: 'run', rank: Rank.asked };
    default:
      return undefined;
  }
}

type Of<T extends Event['type']> = Extract<Event, { type: T }>;

function ofReport({ kill_id, victim, group, limit }: Of<'oom.report'>): Facts {
  if (kill_id !== null) return { kind: 'detail', rank: Rank.part, story: kill_id, victim };
  const kills = victim ? 1 + group.length : 0;
  const tid = victim ? { tid: victim.tid } : {};
  return { kind: 'logged', rank: Rank.listed, kills, victim, ...tid, cgroup: limit?.path ?? null };
}

function ofContainer(event: Of<'container.oom' | 'container.killed'>): Facts {
  if (event.type === 'container.killed') return { kind: 'container', rank: Rank.listed, owner: event };
  const story = event.kills[0]?.kill_id ?? event.incident;
  return {
    ...{ kind: 'container', rank: Rank.listed, story, owner: event, cgroup: event.limit?.path ?? null },
    replaces: { type: 'container.oom', rank: Rank.part },
  };
}

/** Every kill has an episode of some milliseconds: only longer ones are listed. */
const LONG_NS = 5e9;

/** Only the last event of an episode is listed, because it has the peak and the length of the episode. */
function ofLevel(event: Of<'pressure.level' | 'memory.usage'>): Facts {
  const { subject } = event;
  const facts = { owner: subject, cgroup: subject.path };
  if (event.type === 'memory.usage') return { kind: 'usage', rank: Rank.asked, ...facts };
  const severe = event.peak.level !== 'low' && event.duration_ns >= LONG_NS;
  const replaces = { type: 'pressure.level', rank: Rank.part };
  return { kind: 'pressure', rank: severe ? Rank.listed : Rank.asked, story: event.episode, replaces, ...facts };
}

function ofGuard(event: Of<'guard.plan' | 'guard.action' | 'guard.result' | 'guard.skipped' | 'guard.status'>): Facts {
  if (event.type === 'guard.status') return { kind: 'guard', rank: Rank.listed };
  const story = event.plan_id ?? event.id;
  if (event.type === 'guard.skipped')
    return { kind: 'guard', rank: Rank.listed, story, owner: event.subject, cgroup: event.subject.path };
  const victim = event.type === 'guard.plan' ? event.victim : event.target;
  if (event.type === 'guard.result') {
    const kills = event.outcome === 'killed' || event.outcome === 'ended' ? 1 : 0;
    return {
      kind: 'guard',
      rank: Rank.listed,
      story,
      kills,
      victim,
      replaces: { type: 'guard.plan', rank: Rank.asked },
    };
  }
  return { kind: 'guard', rank: event.type === 'guard.plan' ? Rank.listed : Rank.part, story, victim };
}

function monoOf(event: Event): number | null {
  if (event.source !== 'log') return Math.round(Number(event.mono_ns) / 1e6);
  const sinceBoot = 'since_boot_seconds' in event ? event.since_boot_seconds : null;
  return sinceBoot === null ? null : Math.round(sinceBoot * 1000);
}
