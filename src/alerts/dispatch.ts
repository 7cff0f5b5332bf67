/**
 * Hands the alerts of a stream of events to sinks.
 */
import type { Observable, Subscription } from 'rxjs';
import { type Alert, alertOf } from '../model/alert.ts';
import type { Event } from '../model/events.ts';
import { Lane, type LaneCounts, type LaneOptions, type LaneReport } from './lane.ts';

export interface DispatchOptions {
  /** How the sinks fare; must not throw. By default nobody is told: {@link Dispatcher.counts} has the numbers. */
  onReport?: (report: LaneReport) => void;
}

/**
 * Tells every sink the alerts of `events$`: the first of each episode, each time it gets worse, and its end. The stream
 * never waits for a sink, and no sink for another.
 */
export function alertTo(
  events$: Observable<Event>,
  lanes: readonly LaneOptions[],
  options: DispatchOptions = {},
): Dispatcher {
  const dispatcher = new Dispatcher(lanes, options);
  dispatcher.follow(events$);
  return dispatcher;
}

export class Dispatcher implements AsyncDisposable {
  readonly #lanes: { name: string; lane: Lane }[];
  readonly #subscriptions: Subscription[] = [];

  constructor(lanes: readonly LaneOptions[], { onReport = () => {} }: DispatchOptions = {}) {
    this.#lanes = lanes.map((options) => ({ name: options.sink.name, lane: new Lane(options, onReport) }));
  }

  /** An error of the stream is its other subscribers' to tell. */
  follow(events$: Observable<Event>): void {
    this.#subscriptions.push(events$.subscribe({ next: (event) => this.take(event), error: () => {} }));
  }

  take(event: Event): void {
    const alert = alertOf(event);
    if (alert) this.send(alert);
  }

  send(alert: Alert): void {
    for (const { lane } of this.#lanes) lane.offer(alert);
  }

  /** By sink, in the order given. */
  get counts(): { sink: string; counts: LaneCounts }[] {
    return this.#lanes.map(({ name, lane }) => ({ sink: name, counts: { ...lane.counts } }));
  }

  /** Takes no more, delivers what waits for at most `patienceMs`, and closes the sinks. */
  async close(patienceMs = 5_000): Promise<void> {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    await Promise.all(this.#lanes.map(({ lane }) => lane.close(patienceMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
