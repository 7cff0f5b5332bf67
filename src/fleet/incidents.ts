/**
 * Finds incidents: kills on one node or on many nodes that have one cause, such as a leaking image that is being rolled
 * out. The times are those of the server, so that the clocks of the nodes do not matter.
 */
import type { EventPlace, FleetIncident } from '../model/fleet.ts';
import { aboutOf, workloadOf } from '../publish/about.ts';
import type { FleetEvent } from './fleet-event.ts';

export type Cause = FleetIncident['cause'];
/** An incident without the envelope of an event. */
export type Incident = Pick<
  FleetIncident,
  | 'incident_id'
  | 'state'
  | 'ended'
  | 'cause'
  | 'name'
  | 'cluster'
  | 'kills'
  | 'nodes'
  | 'node_names'
  | 'since'
  | 'until'
  | 'first_id'
>;

/** Kills within this time (ms) are counted together. */
export const WINDOW_MS = 5 * 60_000;
/** An incident is over when nothing has happened for this time (ms). */
export const QUIET_MS = 10 * 60_000;
/** So many kills within the window, or kills on so many nodes, open an incident where none are usual. */
const LEAST = 3;
/** Where some are usual, there must be more: by so many standard deviations of a Poisson process. */
const DEVIATIONS = 4;
/** The usual counts follow the counts of the past with this time constant (ms). */
const USUAL_MS = 60 * 60_000;
/** An incident that lasts for longer than this (ms) becomes usual. */
const LASTING_MS = 60 * 60_000;
const MOST_NAMES = 20;
const MOST_KEYS = 100_000;

interface Kill {
  atMs: number;
  node: string;
  count: number;
  id: string;
}

interface Subject {
  cause: Cause;
  name: string;
  cluster: string;
  /** Kills of the last window, in the order of their times. */
  recent: Kill[];
  /** The usual number of kills and of nodes in a window. */
  usualKills: number;
  usualNodes: number;
  /** When the usual numbers were last computed. */
  usualAtMs: number;
  open: Open | undefined;
}

interface Open {
  id: string;
  sinceMs: number;
  untilMs: number;
  kills: number;
  nodes: Set<string>;
  /** The number of nodes in the last event about the incident. */
  toldNodes: number;
  firstId: string;
}

export class Incidents {
  readonly #emit: (incident: Incident) => void;
  readonly #subjects = new Map<string, Subject>();
  /** From a workload to the image that it runs, so that a kill whose image is unknown counts with the others. */
  readonly #images = new Map<string, string>();

  constructor(emit: (incident: Incident) => void) {
    this.#emit = emit;
  }

  take(fleetEvent: FleetEvent): void {
    const kill = killOf(fleetEvent);
    if (!kill) return;
    const { cluster, name: node, happenedMs, event } = fleetEvent;
    const { cause, name } = this.#causeOf(cluster, node, kill);
    const key = JSON.stringify([cluster, cause, name]);
    const subject = this.#subjects.get(key) ?? this.#add(key, { cause, name, cluster }, happenedMs);
    const one = { atMs: happenedMs, node, count: kill.count, id: event.id };
    // In old events the time between two of them passes at once.
    if (subject.open && happenedMs - subject.open.untilMs > QUIET_MS) this.#end(subject, subject.open);
    if (subject.open) this.#settle(subject, happenedMs);
    insert(subject.recent, one);
    if (subject.open) this.#grow(subject, subject.open, one);
    else this.#mayOpen(subject, one);
  }

  /** Closes the incidents that are over. @param nowMs by the server's clock */
  tick(nowMs: number): void {
    for (const [key, subject] of this.#subjects) {
      const { open } = subject;
      if (open && nowMs - open.untilMs > QUIET_MS) this.#end(subject, open);
      this.#settle(subject, nowMs);
      const isIdle = !subject.open && subject.recent.length === 0 && subject.usualKills < 0.01;
      if (isIdle) this.#subjects.delete(key);
    }
  }

  /** The incidents that last. */
  get open(): Incident[] {
    return [...this.#subjects.values()].flatMap((subject) =>
      subject.open ? [incidentOf(subject, subject.open, 'opened')] : [],
    );
  }

  #end(subject: Subject, open: Open, ended: 'quiet' | 'usual' = 'quiet'): void {
    subject.open = undefined;
    subject.recent = [];
    this.#emit({ ...incidentOf(subject, open, 'closed'), ended });
  }

  #add(key: string, what: Pick<Subject, 'cause' | 'name' | 'cluster'>, nowMs: number): Subject {
    const subject: Subject = { ...what, recent: [], usualKills: 0, usualNodes: 0, usualAtMs: nowMs, open: undefined };
    this.#subjects.set(key, subject);
    if (this.#subjects.size > MOST_KEYS) {
      for (const [old, { open }] of this.#subjects) {
        if (open) continue;
        this.#subjects.delete(old);
        break;
      }
    }
    return subject;
  }

  #causeOf(cluster: string, node: string, { about, scope }: KillFacts): { cause: Cause; name: string } {
    if (scope !== null && scope !== 'cgroup') return { cause: 'node', name: node };
    const workload = workloadOf(about);
    const image = about.image ?? (workload === null ? undefined : this.#images.get(`${cluster} ${workload}`));
    if (workload !== null && about.image !== null) this.#images.set(`${cluster} ${workload}`, about.image);
    if (image !== undefined && image !== null) return { cause: 'image', name: image };
    if (workload !== null) return { cause: 'workload', name: workload };
    // a scope is made for one session or container, so its name is not shared
    if (about.unit?.endsWith('.service')) return { cause: 'unit', name: about.unit };
    return { cause: 'program', name: about.comm ?? about.cgroup ?? 'unknown' };
  }

  #mayOpen(subject: Subject, kill: Kill): void {
    this.#settle(subject, kill.atMs);
    // Kills that happened together may arrive in any order, so the window ends with the last of them.
    const endMs = Math.max(...subject.recent.map(({ atMs }) => (atMs < kill.atMs + WINDOW_MS ? atMs : 0)), kill.atMs);
    const within = subject.recent.filter(({ atMs }) => atMs > endMs - WINDOW_MS && atMs <= endMs);
    const kills = sum(within);
    const nodes = new Set(within.map((one) => one.node));
    const many = kills >= threshold(subject.usualKills);
    const wide = nodes.size >= threshold(subject.usualNodes);
    if (!many && !wide) return;
    const [first] = within as [Kill];
    subject.open = {
      ...{ id: `${subject.cluster}-${first.id}`, firstId: first.id, sinceMs: first.atMs, untilMs: endMs },
      ...{ kills, nodes, toldNodes: nodes.size },
    };
    this.#emit(incidentOf(subject, subject.open, 'opened'));
  }

  #grow(subject: Subject, open: Open, { atMs, node, count }: Kill): void {
    open.kills += count;
    open.nodes.add(node);
    open.untilMs = Math.max(open.untilMs, atMs);
    open.sinceMs = Math.min(open.sinceMs, atMs);
    if (open.nodes.size < 2 * open.toldNodes) return;
    open.toldNodes = open.nodes.size;
    this.#emit(incidentOf(subject, open, 'grown'));
  }

  /**
   * Removes what is older than the window, and lets it change the usual counts, but not in the first hour of an incident. An
   * incident that is no more than usual by then is over: a reader that starts cannot know yet what is usual.
   */
  #settle(subject: Subject, nowMs: number): void {
    const { usualAtMs, recent } = subject;
    const passed = nowMs - usualAtMs;
    if (passed < WINDOW_MS) return;
    const old = recent.filter(({ atMs }) => atMs <= nowMs - WINDOW_MS);
    subject.recent = recent.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
    subject.usualAtMs = nowMs;
    const { open } = subject;
    const windows = passed / WINDOW_MS;
    const nodes = new Set(old.map(({ node }) => node)).size / windows;
    if (open) {
      this.#mayBeUsual(subject, open, { nowMs, kills: sum(old) / windows, nodes });
      return;
    }
    const weight = 1 - Math.exp(-passed / USUAL_MS);
    subject.usualKills += weight * (sum(old) / windows - subject.usualKills);
    subject.usualNodes += weight * (nodes - subject.usualNodes);
  }

  /** What has gone on for an hour is usual, unless it has just grown. @param now kills and nodes in a window */
  #mayBeUsual(subject: Subject, open: Open, now: { nowMs: number; kills: number; nodes: number }): void {
    const lastedMs = now.nowMs - open.sinceMs;
    if (lastedMs < LASTING_MS) return;
    const usualKills = open.kills / (lastedMs / WINDOW_MS);
    if (now.kills >= threshold(usualKills)) return;
    subject.usualKills = usualKills;
    subject.usualNodes = now.nodes;
    this.#end(subject, open, 'usual');
  }
}

interface KillFacts {
  about: EventPlace;
  count: number;
  scope: string | null;
}

/** The kill or the kills that an event is about; undefined: none. */
export function killOf({ event }: Pick<FleetEvent, 'event'>): KillFacts | undefined {
  if (event.type === 'oom.kill') {
    const { kind, scope } = event;
    return kind === 'already_dying' ? undefined : { about: aboutOf(event), count: 1, scope: scope ?? null };
  }
  if (event.type === 'publish.folded' && event.event_type === 'oom.kill' && Number.isSafeInteger(event.count))
    return { about: { ...nowhere, ...event.about }, count: event.count, scope: 'cgroup' };
  return undefined;
}

const nowhere: EventPlace = {
  ...{
    cgroup: null,
    limit_bytes: null,
    comm: null,
    unit: null,
    container: null,
    image: null,
    namespace: null,
    pod: null,
  },
};

function incidentOf({ cause, name, cluster }: Subject, open: Open, state: Incident['state']): Incident {
  return {
    ...{ incident_id: open.id, state, ended: null, cause, name, cluster, kills: open.kills, nodes: open.nodes.size },
    node_names: [...open.nodes].slice(0, MOST_NAMES),
    ...{ since: iso(open.sinceMs), until: iso(open.untilMs), first_id: open.firstId },
  };
}

const threshold = (usual: number) => LEAST + usual + DEVIATIONS * Math.sqrt(usual);
const sum = (kills: readonly Kill[]) => kills.reduce((total, { count }) => total + count, 0);
const iso = (ms: number) => new Date(ms).toISOString();

/** Keeps the order of times: events come late after an outage. */
function insert(kills: Kill[], kill: Kill): void {
  let at = kills.length;
  while (at > 0 && (kills[at - 1] as Kill).atMs > kill.atMs) at--;
  kills.splice(at, 0, kill);
}
