/**
 * Keeps a node in a storm within its share of the fleet's stream. A node may publish so many events a second, and more
 * in a short burst. Beyond that, an event like one that was published in the last minute is folded: it is counted, and
 * the counts are published every ten seconds. The first event of its kind is always published, and so is an event that
 * is more severe than the others of its kind.
 */
import type { Event } from '../model/events.ts';
import type { EventPlace } from '../model/fleet.ts';
import { aboutOf } from './about.ts';

export interface StormOptions {
  /** Events a second that are published one by one. */
  perSecond: number;
  /** How many may be published at once before that. */
  burst: number;
}

/** A summary of folded events. */
export interface Folded {
  eventType: string;
  severity: Event['severity'];
  about: EventPlace;
  count: number;
  firstId: string;
  since: string;
  until: string;
}

interface Kind {
  /** The id of the last event of this kind that was published. */
  firstId: string;
  /** When an event of this kind was last seen (ms). */
  seenMs: number;
  folded: Folded | undefined;
}

/** An event whose kind was not seen for this time (ms) counts as a first. */
const FORGET_MS = 60_000;
const SUMMARY_MS = 10_000;
/** More kinds are not remembered: the one that was not seen for the longest time is forgotten. */
const MOST_KINDS = 1000;

export class Storm {
  readonly #options: StormOptions;
  /** In the order in which they were last seen. */
  readonly #kinds = new Map<string, Kind>();
  #credit: number;
  #lastMs: number;
  #summaryMs: number;
  #waiting: Folded[] = [];

  /** @param nowMs by a clock that never goes back, as in all methods */
  constructor(options: StormOptions, nowMs: number) {
    this.#options = options;
    this.#credit = options.burst;
    this.#lastMs = nowMs;
    this.#summaryMs = nowMs + SUMMARY_MS;
  }

  /** True: publish this event. False: it was folded. */
  take(event: Event, nowMs: number): boolean {
    const { perSecond, burst } = this.#options;
    this.#credit = Math.min(burst, this.#credit + ((nowMs - this.#lastMs) / 1000) * perSecond);
    this.#lastMs = nowMs;
    const about = aboutOf(event);
    const key = keyOf(event, about);
    const known = this.#kinds.get(key);
    const isRepeat = known !== undefined && nowMs - known.seenMs < FORGET_MS && isFoldable(event);
    if (isRepeat && this.#credit < 1) {
      this.#fold(known, event, about);
      this.#see(key, known, nowMs);
      return false;
    }
    this.#credit = Math.max(0, this.#credit - 1);
    // The summary of repeats before this event is published before it.
    if (known?.folded) this.#flush(known);
    this.#see(key, { firstId: event.id, seenMs: nowMs, folded: undefined }, nowMs);
    return true;
  }

  /** The summaries that must be published now. @param all also those whose time has not come, before the end */
  summaries(nowMs: number, all = false): Folded[] {
    if (all || nowMs >= this.#summaryMs) {
      this.#summaryMs = nowMs + SUMMARY_MS;
      for (const kind of this.#kinds.values()) if (kind.folded) this.#flush(kind);
    }
    return this.#waiting.splice(0);
  }

  #see(key: string, kind: Kind, nowMs: number): void {
    kind.seenMs = nowMs;
    this.#kinds.delete(key);
    this.#kinds.set(key, kind);
    if (this.#kinds.size <= MOST_KINDS) return;
    const [oldest] = this.#kinds;
    if (!oldest) return;
    if (oldest[1].folded) this.#flush(oldest[1]);
    this.#kinds.delete(oldest[0]);
  }

  #fold(kind: Kind, event: Event, about: EventPlace): void {
    kind.folded ??= {
      ...{ eventType: event.type, severity: event.severity, about, count: 0 },
      ...{ firstId: kind.firstId, since: event.time, until: event.time },
    };
    kind.folded.count++;
    kind.folded.until = event.time;
  }

  #flush(kind: Kind): void {
    if (kind.folded) this.#waiting.push(kind.folded);
    kind.folded = undefined;
  }
}

/** Events about the tracer itself, and the ends of conditions, are rare and must not be missed. */
const isFoldable = (event: Event) => !event.type.startsWith('tracer.') && !('state' in event && event.state === 'over');

function keyOf(event: Event, { cgroup, comm, container, pod, unit }: EventPlace): string {
  const { level, outcome, action } = event as { level?: unknown; outcome?: unknown; action?: unknown };
  return JSON.stringify([event.type, event.severity, cgroup, comm, container, pod, unit, level, outcome, action]);
}
