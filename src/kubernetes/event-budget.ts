/**
 * Decides how Events are written, with the figures of client-go (tools/record/events_cache.go): after ten alike Events
 * within 600 s, further ones only count in the `series` of the last; and an object gets 25 writes, then one every 300 s.
 * The clock is an argument.
 */
import { microTime, type ObjectEvent } from './object-event.ts';

/** Alike Events that are written before they are counted in a series, and the time without one that begins anew (ms). */
const MOST_ALIKE = 10;
const ALIKE_MS = 600_000;
/** Writes for one object: at most this many at once, then one in this time (ms). */
const BURST = 25;
const REFILL_MS = 300_000;
/** Objects that are remembered. */
const MOST_OBJECTS = 4096;
/**
 * A series is written this long after its first change (ms), and each next time twice as long after the last write, so that
 * the budget of an object lasts through a storm and the last write carries the whole count.
 */
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 300_000;

/** The last Event of several alike ones, and what it must be told to count. */
interface Series {
  event: ObjectEvent;
  /** Kills that this Event stands for, and how many of them the API server knows of. */
  count: number;
  written: number;
  lastObserved: string;
  /** When the next write is due (ms). */
  dueMs: number;
  delayMs: number;
}

interface Alike {
  seen: number;
  lastMs: number;
  series: Series | undefined;
}

interface Subject {
  tokens: number;
  atMs: number;
  alike: Map<string, Alike>;
}

/** What to send. */
export interface Write {
  kind: 'create' | 'count';
  event: ObjectEvent;
  /** The number of kills of which the server knows afterwards, and how many of them it did not know of before. */
  count: number;
  kills: number;
}

export class EventBudget {
  readonly #subjects = new Map<string, Subject>();
  /** Kills whose counts were dropped, because too many objects had kills. */
  lost = 0;

  /** @returns the Event, to be created now; undefined: it is counted, and due() gives it later */
  take(event: ObjectEvent, nowMs: number): Write | undefined {
    const subject = this.#subject(event, nowMs);
    const key = alikeKey(event);
    let alike = subject.alike.get(key);
    if (!alike || nowMs - alike.lastMs > ALIKE_MS) {
      // What the old series has not yet told is told with the next write of it, so it is kept until then.
      const open = alike?.series && alike.series.count > alike.series.written ? alike.series : undefined;
      alike = { seen: 0, lastMs: nowMs, series: undefined };
      if (open)
        subject.alike.set(`${key} ${open.event.metadata.name}`, { seen: MOST_ALIKE, lastMs: nowMs, series: open });
      subject.alike.set(key, alike);
    }
    alike.lastMs = nowMs;
    alike.seen++;
    const { series } = alike;
    if (alike.seen <= MOST_ALIKE && (!series || series.written > 0) && this.#spend(subject, nowMs)) {
      alike.series = begin(event, 1, nowMs);
      return { kind: 'create', event, count: 1, kills: 1 };
    }
    if (!series) alike.series = begin(event, 0, nowMs);
    else {
      if (series.count === series.written) series.dueMs = nowMs + series.delayMs;
      series.count++;
      series.lastObserved = event.eventTime;
    }
    return undefined;
  }

  /** What the server does not know yet of the series to which take() has added this event, whether it is due or not. */
  unsaid(event: ObjectEvent): Write | undefined {
    const series = this.#subjects.get(subjectKey(event))?.alike.get(alikeKey(event))?.series;
    return series && series.count > series.written ? writeOf(series) : undefined;
  }

  /** The counts that may be written now. */
  due(nowMs: number): Write[] {
    const writes: Write[] = [];
    for (const subject of this.#subjects.values()) {
      for (const { series } of subject.alike.values()) {
        if (!series || series.count <= series.written || series.dueMs > nowMs || !this.#spend(subject, nowMs)) continue;
        writes.push(this.#write(series, nowMs));
      }
    }
    return writes;
  }

  /** When due() has something next (ms); undefined: nothing waits. */
  nextMs(nowMs: number): number | undefined {
    let next: number | undefined;
    for (const subject of this.#subjects.values()) {
      const allowed = this.#tokens(subject, nowMs) >= 1 ? nowMs : subject.atMs + (1 - subject.tokens) * REFILL_MS;
      for (const { series } of subject.alike.values()) {
        if (!series || series.count <= series.written) continue;
        next = Math.min(next ?? Number.POSITIVE_INFINITY, Math.max(series.dueMs, allowed));
      }
    }
    return next;
  }

  /** How many kills the server does not know of yet. */
  get waiting(): number {
    let kills = 0;
    for (const { alike } of this.#subjects.values())
      for (const { series } of alike.values()) kills += series ? series.count - series.written : 0;
    return kills;
  }

  #write(series: Series, nowMs: number): Write {
    const write = writeOf(series);
    series.written = series.count;
    series.delayMs = Math.min(2 * series.delayMs, LONGEST_DELAY_MS);
    series.dueMs = nowMs + series.delayMs;
    return write;
  }

  #subject(event: ObjectEvent, nowMs: number): Subject {
    const key = subjectKey(event);
    const known = this.#subjects.get(key) ?? { tokens: BURST, atMs: nowMs, alike: new Map() };
    this.#subjects.delete(key);
    this.#subjects.set(key, known);
    if (this.#subjects.size > MOST_OBJECTS) this.#forgetOldest();
    return known;
  }

  #forgetOldest(): void {
    const [key, oldest] = this.#subjects.entries().next().value as [string, Subject];
    for (const { series } of oldest.alike.values()) this.lost += series ? series.count - series.written : 0;
    this.#subjects.delete(key);
  }

  #tokens(subject: Subject, nowMs: number): number {
    return Math.min(BURST, subject.tokens + (nowMs - subject.atMs) / REFILL_MS);
  }

  #spend(subject: Subject, nowMs: number): boolean {
    const tokens = this.#tokens(subject, nowMs);
    if (tokens < 1) return false;
    subject.tokens = tokens - 1;
    subject.atMs = nowMs;
    return true;
  }
}

const subjectKey = ({ regarding }: ObjectEvent) => `${regarding.kind} ${regarding.uid}`;
const alikeKey = ({ reason, regarding }: ObjectEvent) => `${reason} ${regarding.fieldPath ?? ''}`;

function writeOf({ event, count, written, lastObserved }: Series): Write {
  const series = { count, lastObservedTime: microTime(lastObserved) };
  return {
    kind: written === 0 ? 'create' : 'count',
    event: count < 2 ? event : { ...event, series },
    ...{ count, kills: count - written },
  };
}

function begin(event: ObjectEvent, written: number, nowMs: number): Series {
  return {
    ...{ event, count: 1, written, lastObserved: event.eventTime },
    ...{ dueMs: nowMs + FIRST_DELAY_MS, delayMs: FIRST_DELAY_MS },
  };
}
