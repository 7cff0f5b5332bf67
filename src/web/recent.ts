/** The last events in memory: for a browser that was away for a moment, and where no history is kept. */
import { columnsOf, type Entry, Rank } from '../history/entry.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event } from '../model/events.ts';
import type { Story } from '../story/story.ts';
import type { List, ListRow } from './wire.ts';

/** Events with a large report or lead-up have some 10 KiB. */
const KEPT = 300;
const AROUND_MS = 60_000;

interface Kept {
  event: Event;
  columns: Omit<Entry, 'json'>;
}

export class Recent {
  readonly #kept: Kept[] = [];
  readonly #most: number;

  constructor(most = KEPT) {
    this.#most = most;
  }

  /** @returns the row for browsers; undefined: events of this type are not shown */
  take(event: Event): ListRow | undefined {
    const columns = columnsOf(event);
    if (!columns) return undefined;
    this.#kept.push({ event, columns });
    if (this.#kept.length > this.#most) this.#kept.shift();
    return columns.rank === Rank.part ? undefined : rowOf({ event, columns });
  }

  /** The rows after this event. undefined: the event is not among the last ones. */
  after(id: string): ListRow[] | undefined {
    const at = this.#kept.findIndex(({ event }) => event.id === id);
    return at < 0 ? undefined : shown(this.#kept.slice(at + 1)).map(rowOf);
  }

  /** The newest rows first. @param kinds only these kinds; empty: those that are listed */
  list(kinds: readonly string[], limit: number): List {
    const wanted = shown(this.#kept).filter(({ columns }) =>
      kinds.length === 0 ? columns.rank === Rank.listed : kinds.includes(columns.kind),
    );
    return { rows: wanted.slice(-limit).reverse().map(rowOf), more: false };
  }

  /** @throws OomscopeError NO_ENTRY */
  story(id: string): Story {
    const found = this.#kept.find(({ event }) => event.id === id);
    if (!found)
      throw new OomscopeError(
        'NO_ENTRY',
        'This event is not kept any more: [history] in the configuration keeps events.',
      );
    const parts = this.#kept.filter(({ columns }) => columns.story === found.columns.story);
    const around = this.#kept.filter(
      (each) =>
        !parts.includes(each) &&
        each.columns.rank > 0 &&
        Math.abs(each.columns.timeMs - found.columns.timeMs) < AROUND_MS,
    );
    const head = parts.find(({ columns }) => columns.rank !== Rank.part) ?? found;
    return {
      number: 0,
      head: head.event,
      parts: parts.map(({ event }) => event),
      around: around.map(({ event }) => event),
    };
  }
}

const shown = (kept: readonly Kept[]) => kept.filter(({ columns }) => columns.rank !== Rank.part);

function rowOf({ event, columns }: Kept): ListRow {
  const { id, timeMs, type, kind, logged, kills, name, pid, container, pod, unit, cgroup } = columns;
  return {
    number: 0,
    id,
    timeMs,
    type,
    kind,
    logged,
    kills,
    name,
    pid,
    container,
    pod,
    unit,
    cgroup,
    message: event.message,
    node: event.node,
  };
}
