import type { Observable, Subscription } from 'rxjs';
import type { Event, TracerLost } from '../model/events.ts';

/**
 * An async iterator over an observable. It buffers at most `most` events. If the reader is too slow, it drops the
 * oldest events, and the next event that it returns is a `tracer.lost` with their number.
 */
export class EventQueue implements AsyncIterator<Event> {
  readonly #waiting: Event[] = [];
  readonly #most: number;
  readonly #lostEvent: (dropped: Record<string, number>) => TracerLost;
  readonly #subscription: Subscription;
  #dropped: Record<string, number> = {};
  #dropping = false;
  #wakes: (() => void)[] = [];
  #ended = false;
  #error: unknown;

  constructor(events: Observable<Event>, most: number, lostEvent: (dropped: Record<string, number>) => TracerLost) {
    this.#most = most;
    this.#lostEvent = lostEvent;
    this.#subscription = events.subscribe({
      next: (event) => this.#push(event),
      error: (error: unknown) => {
        this.#error = error;
        this.#end();
      },
      complete: () => this.#end(),
    });
  }

  async next(): Promise<IteratorResult<Event, undefined>> {
    for (;;) {
      if (this.#dropping) {
        this.#dropping = false;
        const dropped = this.#dropped;
        this.#dropped = {};
        return { done: false, value: this.#lostEvent(dropped) };
      }
      const event = this.#waiting.shift();
      if (event) return { done: false, value: event };
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wakes.push(resolve);
      });
    }
  }

  async return(): Promise<IteratorResult<Event, undefined>> {
    this.#subscription.unsubscribe();
    this.#end();
    this.#waiting.length = 0;
    this.#dropping = false;
    return { done: true, value: undefined };
  }

  #push(event: Event): void {
    this.#waiting.push(event);
    if (this.#waiting.length > this.#most) {
      const oldest = this.#waiting.shift() as Event;
      this.#dropped[oldest.type] = (this.#dropped[oldest.type] ?? 0) + 1;
      this.#dropping = true;
    }
    for (const wake of this.#wakes.splice(0)) wake();
  }

  #end(): void {
    this.#ended = true;
    for (const wake of this.#wakes.splice(0)) wake();
  }
}
