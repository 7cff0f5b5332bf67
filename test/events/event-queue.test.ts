import { Subject } from 'rxjs';
import { expect, test } from 'vitest';
import { EventQueue } from '../../src/events/event-queue.ts';
import type { Event, TracerLost } from '../../src/model/events.ts';

const event = (seq: number, type: Event['type'] = 'oom.kill') => ({ type, seq }) as Event;

function queue(most: number) {
  const source = new Subject<Event>();
  const lost = (dropped: Record<string, number>) => ({ type: 'tracer.lost', lost: dropped }) as TracerLost;
  return { source, events: new EventQueue(source, most, lost) };
}

test('returns events that were emitted before and after the call of next()', async () => {
  const { source, events } = queue(10);
  source.next(event(1));
  const [first, second] = [await events.next(), events.next()];
  expect(first.value).toEqual(event(1));
  source.next(event(2));
  expect((await second).value).toEqual(event(2));
});

test('drops the oldest events when full, and first returns their number by type', async () => {
  const { source, events } = queue(2);
  source.next(event(1));
  source.next(event(2, 'oom.reaped'));
  source.next(event(3));
  source.next(event(4));
  source.next(event(5));
  expect((await events.next()).value).toEqual({ type: 'tracer.lost', lost: { 'oom.kill': 2, 'oom.reaped': 1 } });
  expect((await events.next()).value).toEqual(event(4));
  source.next(event(6));
  source.next(event(7));
  expect((await events.next()).value).toEqual({ type: 'tracer.lost', lost: { 'oom.kill': 1 } });
  expect((await events.next()).value).toEqual(event(6));
});

test('ends after it has returned the buffered events', async () => {
  const { source, events } = queue(10);
  source.next(event(1));
  source.complete();
  expect(await events.next()).toEqual({ done: false, value: event(1) });
  expect(await events.next()).toEqual({ done: true, value: undefined });
  expect(await events.next()).toEqual({ done: true, value: undefined });
});

test('throws an error of the source after it has returned the buffered events', async () => {
  const { source, events } = queue(10);
  source.next(event(1));
  source.error(new Error('broken'));
  expect((await events.next()).value).toEqual(event(1));
  await expect(events.next()).rejects.toThrow('broken');
});

test('wakes a waiting reader at the end and at an error', async () => {
  const ended = queue(10);
  const last = ended.events.next();
  ended.source.complete();
  expect((await last).done).toBe(true);
  const failed = queue(10);
  const rejected = expect(failed.events.next()).rejects.toThrow('broken');
  failed.source.error(new Error('broken'));
  await rejected;
});

test('return() unsubscribes, drops the buffered events, and wakes a waiting reader', async () => {
  const { source, events } = queue(1);
  source.next(event(1));
  source.next(event(2));
  expect(await events.return()).toEqual({ done: true, value: undefined });
  expect(source.observed).toBe(false);
  expect(await events.next()).toEqual({ done: true, value: undefined });
  const other = queue(10);
  const waiting = other.events.next();
  await other.events.return();
  expect((await waiting).done).toBe(true);
});

test('answers two calls of next() in order', async () => {
  const { source, events } = queue(10);
  const both = Promise.all([events.next(), events.next()]);
  source.next(event(1));
  source.next(event(2));
  expect((await both).map(({ value }) => value)).toEqual([event(1), event(2)]);
}, 2000);
