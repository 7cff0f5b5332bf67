/** What the page knows: the figures of the machine or of the fleet, the cgroups, and the last events. */
import type { About, FleetNow, Group, ListRow, Machine, Next, Now } from '../wire.ts';

const KEPT = 600;
const ROWS = 20;

/** A cgroup with a limit, and how near it is to it. */
export interface Hot {
  group: Group;
  /** The share of the limit in use, 0 to 1. */
  full: number;
  /** Seconds until the limit is hit at this growth. null: it does not grow. */
  leftSeconds: number | null;
}

export class State {
  about: About | undefined;
  machine: Machine | undefined;
  readonly past: Machine[] = [];
  readonly groups = new Map<number, Group>();
  next: Next[] = [];
  /** undefined: the page is about one machine. */
  fleet: FleetNow | undefined;
  /** The last events, the newest first. */
  readonly rows: ListRow[] = [];

  begin(about: About): void {
    this.about = about;
    this.past.splice(0, this.past.length, ...about.past);
  }

  take(now: Now | FleetNow): void {
    if ('report' in now) this.fleet = now;
    else this.#takeMachine(now);
  }

  #takeMachine({ machine, groups, changed = [], next }: Now): void {
    this.machine = machine;
    if (machine.timeMs > (this.past.at(-1)?.timeMs ?? 0)) this.past.push(machine);
    if (this.past.length > KEPT) this.past.shift();
    if (groups) {
      this.groups.clear();
      for (const group of groups) this.groups.set(group.key, group);
    }
    for (const [key, usage, growth, limit] of changed) {
      const group = this.groups.get(key);
      if (group) Object.assign(group, { usage, growth, limit });
    }
    if (next) this.next = next;
  }

  /** @returns false: the page has this event already */
  addRow(row: ListRow): boolean {
    if (this.rows.some(({ id }) => id === row.id)) return false;
    this.rows.unshift(row);
    if (this.rows.length > ROWS) this.rows.pop();
    return true;
  }

  /** The cgroups with a limit, the fullest first. */
  hot(): Hot[] {
    const limited = [...this.groups.values()].flatMap((group): Hot[] => {
      const { usage, limit, growth } = group;
      if (limit === null || limit === 0) return [];
      const left = growth !== null && growth > limit / 100_000 ? Math.max(0, limit - usage) / growth : null;
      return [{ group, full: usage / limit, leftSeconds: left }];
    });
    return limited.sort((a, b) => b.full - a.full);
  }
}
