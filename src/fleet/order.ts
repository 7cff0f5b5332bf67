/**
 * Emits the events of each publishing process once and in order, with a bounded wait for a missing one. A process numbers
 * its events without a gap, so the next expected number and the numbers that are missing say of every event whether it is
 * new, however late it is sent again: no window of ids is needed.
 *
 * Each event says up to which number the events of its process are settled: in the stream, or lost. A missing event below
 * that number never comes. Only for one that its process still sends is there a wait: for `waitMs` by the clock of the caller,
 * or until the stream has an event of any process that the server stored `waitMs` later.
 */
import type { FleetEvent } from './fleet-event.ts';

/** A gap in the numbers of a process. */
export interface Gap {
  run: string;
  /** The event after the gap. */
  before: FleetEvent;
  missing: number;
}

/** What is known of one process; it can be stored as JSON. */
export interface RunState {
  /** The next expected number. */
  next: number;
  /** Numbers below `next` that have not come, as ranges from…to. */
  missing: [number, number][];
  /** When the last event came, in ms by the server's clock. */
  seenMs: number;
}

export interface OrderState {
  runs: Record<string, RunState>;
}

interface Run extends RunState {
  name: string;
  /** The node that runs the process. */
  node: string;
  held: Map<number, FleetEvent>;
  /** A missing event with a smaller number is no gap: it may have been stored before the reader began. */
  countedFrom: number;
  /** When the wait for the next number began (ms, by the clock of the methods). */
  sinceMs: number;
  /** When the server stored the event with which the wait began. */
  sinceStoredMs: number;
}

export interface OrderHooks {
  emit: (event: FleetEvent) => void;
  onGap: (gap: Gap) => void;
}

/** A publisher sends at most 63 events past one that is missing. */
const WINDOW = 64;
/** More events of a node are not held: the wait ends. */
const MOST_HELD = 5_000;
const MOST_RANGES = 1_000;
const MOST_IDS = 100_000;
/** A process that has sent nothing for this time (ms) is forgotten: the stream's own window is 2 minutes. */
const FORGET_MS = 7 * 86_400_000;
const MOST_RUNS = 300_000;

export class Order {
  duplicates = 0;
  late = 0;
  readonly #waitMs: number;
  readonly #hooks: OrderHooks;
  readonly #runs = new Map<string, Run>();
  /** Runs that wait for a missing number. */
  readonly #waiting = new Set<Run>();
  /** Events of later processes of a node, while an earlier process of this node waits: by node. */
  readonly #behind = new Map<string, { run: Run; events: FleetEvent[] }>();
  /** Ids of events without a number, which other programs have published. */
  readonly #ids = new Set<string>();

  /** @param waitMs how long an event waits for an earlier one that is missing */
  constructor(waitMs: number, hooks: OrderHooks, state?: OrderState) {
    this.#waitMs = waitMs;
    this.#hooks = hooks;
    for (const [name, { next, missing, seenMs }] of Object.entries(state?.runs ?? {})) {
      const run = { next, missing: missing.map(([from, to]): [number, number] => [from, to]), seenMs };
      this.#runs.set(name, { ...run, ...NEW_RUN, name, held: new Map() });
    }
  }

  /** @param nowMs by a clock that never goes back, as in all methods */
  take(event: FleetEvent, nowMs: number): void {
    const { run: name, number } = event;
    if (name === null || number === null) {
      this.#takeForeign(event);
      return;
    }
    const behind = this.#behind.get(nodeOf(event));
    if (behind && behind.run.name !== name) {
      behind.events.push(event);
      if (behind.events.length > MOST_HELD) this.#skip(behind.run, nowMs);
      return;
    }
    const settled = Math.min(event.settled ?? 0, number);
    const run = this.#runOf(name, number, event.settled === null ? null : settled);
    run.node = nodeOf(event);
    run.seenMs = event.storedMs;
    if (number < run.next) {
      if (takeOut(run.missing, number)) this.#emitLate(event);
      else this.duplicates++;
      return;
    }
    if (run.held.has(number)) {
      this.duplicates++;
      return;
    }
    if (run.held.size === 0) this.#restartWait(run, event, nowMs);
    run.held.set(number, event);
    const before = run.next;
    this.#pass(run, settled);
    this.#goOnFrom(before, run, event, nowMs);
    if (run.held.size > MOST_HELD) this.#skip(run, nowMs);
  }

  /**
   * Gives up waiting where the time is over.
   *
   * @param storedMs when the server stored the last event that the caller has read, of any process
   */
  tick(nowMs: number, storedMs = 0): void {
    for (const run of this.#waiting) {
      const { sinceMs, sinceStoredMs } = run;
      if (Math.max(nowMs - sinceMs, storedMs - sinceStoredMs) >= this.#waitMs) this.#skip(run, nowMs);
    }
  }

  /** The smallest sequence of an event that was taken but not emitted; undefined: there is none. */
  get firstHeld(): number | undefined {
    let first: number | undefined;
    for (const { held } of this.#waiting) {
      for (const { sequence } of held.values()) if (first === undefined || sequence < first) first = sequence;
    }
    for (const { events } of this.#behind.values()) {
      for (const { sequence } of events) if (first === undefined || sequence < first) first = sequence;
    }
    return first;
  }

  state(): OrderState {
    const runs: Record<string, RunState> = {};
    for (const [name, { next, missing, seenMs }] of this.#runs) runs[name] = { next, missing, seenMs };
    return { runs };
  }

  #takeForeign(event: FleetEvent): void {
    const { id } = event.event;
    if (this.#ids.has(id)) {
      this.duplicates++;
      return;
    }
    this.#ids.add(id);
    if (this.#ids.size > MOST_IDS) this.#ids.delete(this.#ids.values().next().value as string);
    this.#hooks.emit(event);
  }

  #emitLate(event: FleetEvent): void {
    this.late++;
    this.#hooks.emit({ ...event, late: true });
  }

  /**
   * The reader may have begun in the middle of a process. Then events behind its first one may be stored already, because
   * the process has sent the first one again; and where nothing says what is settled, events before it may still come.
   */
  #runOf(name: string, number: number, settled: number | null): Run {
    const known = this.#runs.get(name);
    if (known) return known;
    const next = settled ?? number;
    const missing: [number, number][] =
      settled === null && number > 0 ? [[Math.max(0, number - WINDOW + 1), number - 1]] : [];
    const countedFrom = number > 0 ? next + WINDOW : 0;
    const fresh: Run = { ...NEW_RUN, name, next, missing, seenMs: 0, held: new Map(), countedFrom };
    this.#runs.set(name, fresh);
    if (this.#runs.size > MOST_RUNS) this.#forget();
    return fresh;
  }

  #forget(): void {
    const latest = Math.max(...[...this.#runs.values()].slice(-1000).map(({ seenMs }) => seenMs));
    for (const [name, run] of this.#runs) {
      if (latest - run.seenMs > FORGET_MS && !this.#waiting.has(run)) this.#runs.delete(name);
    }
  }

  #restartWait(run: Run, { storedMs }: FleetEvent, nowMs: number): void {
    run.sinceMs = nowMs;
    run.sinceStoredMs = storedMs;
  }

  /** @param before the next expected number before `cause` was taken */
  #goOnFrom(before: number, run: Run, cause: FleetEvent, nowMs: number): void {
    if (run.held.size === 0) {
      this.#goOn(run, nowMs);
      return;
    }
    if (run.next > before) this.#restartWait(run, cause, nowMs);
    this.#wait(run);
  }

  /** Emits the held events that follow without a gap. */
  #emitHeld(run: Run): void {
    for (let event = run.held.get(run.next); event; event = run.held.get(run.next)) {
      run.held.delete(run.next);
      run.next++;
      this.#hooks.emit(event);
    }
  }

  /** Emits what follows without a gap, and all below `settled`: what is missing there is lost. */
  #pass(run: Run, settled: number): void {
    for (this.#emitHeld(run); run.next < settled; this.#emitHeld(run)) this.#gap(run, settled);
  }

  #wait(run: Run): void {
    this.#waiting.add(run);
    if (!this.#behind.has(run.node)) this.#behind.set(run.node, { run, events: [] });
  }

  /** The process waits no longer: takes what later processes of the node have sent meanwhile. */
  #goOn(run: Run, nowMs: number): void {
    if (!this.#waiting.delete(run)) return;
    const behind = this.#behind.get(run.node);
    if (behind?.run !== run) return;
    this.#behind.delete(run.node);
    for (const event of behind.events) this.take(event, nowMs);
  }

  /** Goes on behind the gap. */
  #skip(run: Run, nowMs: number): void {
    const { next } = run;
    const cause = this.#gap(run);
    this.#emitHeld(run);
    this.#goOnFrom(next, run, cause, nowMs);
  }

  /** Goes on to the first held event, or to `end`. @returns the event after the gap */
  #gap(run: Run, end = Number.POSITIVE_INFINITY): FleetEvent {
    const first = Math.min(...run.held.keys());
    const before = run.held.get(first) as FleetEvent;
    const next = Math.min(first, end);
    run.missing.push([run.next, next - 1]);
    if (run.missing.length > MOST_RANGES) run.missing.shift();
    const missing = next - Math.max(run.next, run.countedFrom);
    run.next = next;
    if (missing > 0) this.#hooks.onGap({ run: run.name, before, missing });
    return before;
  }
}

const NEW_RUN = { node: '', sinceMs: 0, sinceStoredMs: 0, countedFrom: 0 };

const nodeOf = ({ cluster, node, machine }: FleetEvent) => `${cluster} ${node} ${machine}`;

/** Removes a number from ranges. @returns false: no range has it */
function takeOut(ranges: [number, number][], number: number): boolean {
  const at = ranges.findIndex(([from, to]) => number >= from && number <= to);
  const range = ranges[at];
  if (!range) return false;
  const [from, to] = range;
  const rest: [number, number][] = [];
  if (number > from) rest.push([from, number - 1]);
  if (number < to) rest.push([number + 1, to]);
  ranges.splice(at, 1, ...rest);
  return true;
}
