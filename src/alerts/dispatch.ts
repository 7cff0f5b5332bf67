/**
 * Sends the alerts of a stream of events to sinks, each sink through a lane of its own.
 */

import type { Observable, Subscription } from 'rxjs';
import { type Alert, alertOf } from '../model/alert.ts';
import type { Event } from '../model/events.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import { Lane, type LaneCounts, type LaneOptions, type LaneReport } from './lane.ts';

/** oomscope exits within 5 s of a stop request from a service manager, so the last deliveries get less time. */
export const CLOSE_MS = 3_500;

/** Options of `alertTo()`. */
export interface DispatchOptions {
  /** Called when the state of a sink changes; must not throw. By default nothing is called: see {@link Dispatcher.counts}. */
  onReport?: (report: LaneReport) => void;
}

/**
 * Sends the alerts of `events$` to every sink: the first alert of each episode, each alert that is more severe than
 * those before it, and the end of the episode. The stream never waits for a sink, and no sink waits for another.
 */
export function alertTo(
  events$: Observable<Event>,
  lanes: readonly LaneOptions[],
  options: DispatchOptions = {},
): Dispatcher {
  refuseUnknownOptions('alertTo()', options, { onReport: true });
  const dispatcher = new Dispatcher(lanes, options);
  dispatcher.follow(events$);
  return dispatcher;
}

/** Sends alerts to sinks until it is closed. */
export class Dispatcher implements AsyncDisposable {
  readonly #lanes: { name: string; lane: Lane }[];
  readonly #subscriptions: Subscription[] = [];

  constructor(lanes: readonly LaneOptions[], { onReport = () => {} }: DispatchOptions = {}) {
    this.#lanes = lanes.map((options) => ({ name: options.sink.name, lane: new Lane(options, onReport) }));
  }

  /** Subscribes to `events$`. Errors of the stream are ignored here: its other subscribers report them. */
  follow(events$: Observable<Event>): void {
    this.#subscriptions.push(events$.subscribe({ next: (event) => this.take(event), error: () => {} }));
  }

  /** Sends an alert about this event, if events of its kind cause one. */
  take(event: Event): void {
    const alert = alertOf(event);
    if (alert) this.send(alert);
  }

  /** Offers an alert to every sink. Never waits. */
  send(alert: Alert): void {
    for (const { lane } of this.#lanes) lane.offer(alert);
  }

  /** Counts of each sink, in the order given to the constructor. */
  get counts(): { sink: string; counts: LaneCounts }[] {
    return this.#lanes.map(({ name, lane }) => ({ sink: name, counts: { ...lane.counts } }));
  }

  /** Accepts no more alerts, delivers the waiting ones for at most `timeoutMs`, and closes the sinks. */
  async close(timeoutMs = CLOSE_MS): Promise<void> {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    await Promise.all(this.#lanes.map(({ lane }) => lane.close(timeoutMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
