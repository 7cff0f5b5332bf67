/** Sums over the whole fleet: kills a minute, and the images, workloads, limits and nodes with the most kills. */
import { aboutOf, workloadOf } from '../publish/about.ts';
import type { FleetEvent } from './fleet-event.ts';
import { killOf } from './incidents.ts';

/** By what the kills are counted. */
export const subjects = ['image', 'workload', 'limit', 'program', 'node'] as const;
export type Subject = (typeof subjects)[number];

export interface Count {
  name: string;
  kills: number;
  nodes: number;
}

interface Sum {
  kills: number;
  nodes: Set<string>;
}

const MINUTE_MS = 60_000;
const MOST_MINUTES = 24 * 60;
const MOST_NAMES = 100_000;

export class Totals {
  kills = 0;
  events = 0;
  readonly #sums = new Map<Subject, Map<string, Sum>>(subjects.map((subject) => [subject, new Map()]));
  readonly #minutes = new Map<number, number>();

  take(fleetEvent: FleetEvent): void {
    this.events++;
    const kill = killOf(fleetEvent);
    if (!kill) return;
    this.kills += kill.count;
    const { event, happenedMs, cluster, name: node } = fleetEvent;
    const minute = Math.floor(happenedMs / MINUTE_MS);
    this.#minutes.set(minute, (this.#minutes.get(minute) ?? 0) + kill.count);
    if (this.#minutes.size > MOST_MINUTES) this.#minutes.delete(Math.min(...this.#minutes.keys()));
    const about = event.type === 'publish.folded' ? kill.about : aboutOf(event);
    const names: Record<Subject, string | null> = {
      ...{ image: about.image, workload: workloadOf(about), limit: about.cgroup, program: about.comm },
      node: `${cluster}/${node}`,
    };
    for (const subject of subjects) this.#count(subject, names[subject], `${cluster}/${node}`, kill.count);
  }

  /** The names with the most kills. */
  top(subject: Subject, most: number): Count[] {
    return [...(this.#sums.get(subject) as Map<string, Sum>)]
      .map(([name, { kills, nodes }]) => ({ name, kills, nodes: nodes.size }))
      .sort((a, b) => b.kills - a.kills || b.nodes - a.nodes)
      .slice(0, most);
  }

  /** Kills in each of the last minutes, the oldest first. */
  perMinute(nowMs: number, minutes: number): number[] {
    const last = Math.floor(nowMs / MINUTE_MS);
    return Array.from({ length: minutes }, (_, i) => this.#minutes.get(last - minutes + 1 + i) ?? 0);
  }

  #count(subject: Subject, name: string | null, node: string, kills: number): void {
    if (name === null) return;
    const sums = this.#sums.get(subject) as Map<string, Sum>;
    const sum = sums.get(name) ?? { kills: 0, nodes: new Set() };
    if (sums.size >= MOST_NAMES && !sums.has(name)) return;
    sums.set(name, sum);
    sum.kills += kills;
    sum.nodes.add(node);
  }
}
