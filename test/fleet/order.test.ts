import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FleetEvent } from '../../src/fleet/fleet-event.ts';
import { type Gap, Order, type OrderState } from '../../src/fleet/order.ts';
import { fleetEvent, killAt } from './fleet-events.ts';

function reader(state?: OrderState) {
  const emitted: FleetEvent[] = [];
  const gaps: Gap[] = [];
  const order = new Order(1000, { emit: (event) => emitted.push(event), onGap: (gap) => gaps.push(gap) }, state);
  return { order, emitted, gaps, numbers: () => emitted.map(({ number }) => number) };
}
const numbered = (number: number, run = 'a', settled = 0) =>
  fleetEvent(killAt(`${run}-${number}`), { run, number, settled });

test('events that come in any order and several times are emitted once and in order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 200 }), fc.nat(30), (extra, last) => {
      const { order, numbers, gaps } = reader();
      const all = Array.from({ length: last + 1 }, (_, i) => i);
      const sent = [...extra.filter((number) => number <= last), ...all];
      for (const number of sent) order.take(numbered(number), 0);
      order.tick(10_000);
      expect(numbers()).toEqual(all);
      expect(gaps).toEqual([]);
    }),
  );
});

test('a missing event is waited for, then the gap is counted once', () => {
  const { order, numbers, gaps } = reader();
  for (const number of [0, 1, 4, 5]) order.take(numbered(number), 0);
  order.tick(999);
  expect(numbers()).toEqual([0, 1]);
  order.tick(1000);
  order.tick(5000);
  expect(numbers()).toEqual([0, 1, 4, 5]);
  expect(gaps).toMatchObject([{ run: 'a', missing: 2 }]);
});

test('an event that comes after the wait is emitted late, but once, and says so', () => {
  const { order, emitted, numbers } = reader();
  for (const number of [0, 2]) order.take(numbered(number), 0);
  order.tick(1000);
  order.take(numbered(1), 2000);
  order.take(numbered(1), 2000);
  expect(numbers()).toEqual([0, 2, 1]);
  expect(emitted.map(({ late }) => late)).toEqual([false, false, true]);
  expect(order).toMatchObject({ late: 1, duplicates: 1 });
});

test('a duplicate is recognised however much later it comes', () => {
  const { order, emitted } = reader();
  for (let number = 0; number < 10_000; number++) order.take(numbered(number), number);
  for (const number of [0, 17, 9_999]) order.take(numbered(number), 1e9);
  expect(emitted).toHaveLength(10_000);
  expect(order.duplicates).toBe(3);
});

test('a reader that begins in the middle of a run waits for nothing that was stored before, and counts no gap', () => {
  const { order, numbers, gaps } = reader();
  order.take(numbered(3, 'b', 3), 0);
  order.take(numbered(500, 'a', 499), 0);
  order.take(numbered(499), 0);
  expect(numbers()).toEqual([3, 499, 500]);
  expect(gaps).toEqual([]);
});

test('a reader that begins in the middle drops no event where it is unknown what is settled', () => {
  const { order, emitted, numbers, gaps } = reader();
  for (const number of [1, 0, 2, 0])
    order.take(fleetEvent(killAt(`a-${number}`), { run: 'a', number, settled: null }), 0);
  expect(numbers()).toEqual([1, 0, 2]);
  expect(emitted.map(({ late }) => late)).toEqual([false, true, false]);
  expect(order.duplicates).toBe(1);
  expect(gaps).toEqual([]);
});

test('events that were stored before the reader began are no gap behind one that is sent again', () => {
  const { order, numbers, gaps } = reader();
  order.take(numbered(3, 'a', 3), 0);
  order.take(numbered(6, 'a', 6), 0);
  expect(numbers()).toEqual([3, 6]);
  expect(gaps).toEqual([]);
  order.take(numbered(70, 'a', 70), 0);
  expect(numbers()).toEqual([3, 6, 70]);
  expect(gaps).toMatchObject([{ missing: 3 }]);
});

test('nothing waits for a missing event that its process has given up', () => {
  const { order, numbers, gaps } = reader();
  order.take(numbered(0), 0);
  order.take(numbered(3, 'a', 1), 0);
  order.take(numbered(9, 'a', 5), 0);
  expect(numbers()).toEqual([0, 3]);
  expect(gaps).toMatchObject([{ missing: 2 }, { missing: 1 }]);
  order.take(numbered(8, 'a', 5), 0);
  order.take(numbered(12, 'a', 12), 0);
  expect(numbers()).toEqual([0, 3, 8, 9, 12]);
  expect(gaps.map(({ missing }) => missing)).toEqual([2, 1, 3, 2]);
});

test('a number that its process calls settled before it is sent breaks nothing', () => {
  const { order, numbers } = reader();
  order.take(numbered(0, 'a', 99), 0);
  order.take(numbered(1, 'a', 1e15), 0);
  expect(numbers()).toEqual([0, 1]);
});

test('the wait is over when the stream has events of another process that were stored later by as much', () => {
  const { order, numbers, gaps } = reader();
  const at = (number: number, atMs: number) =>
    fleetEvent(killAt(`a-${number}`), { run: 'a', number, settled: 0, atMs });
  for (const event of [at(0, 1000), at(2, 1200)]) order.take(event, 0);
  order.tick(0, 2199);
  expect(numbers()).toEqual([0]);
  order.tick(0, 2200);
  expect(numbers()).toEqual([0, 2]);
  expect(gaps).toMatchObject([{ missing: 1 }]);
});

test('a restarted reader goes on from its state, and counts what the server discarded meanwhile', () => {
  const first = reader();
  for (const number of [0, 1, 2]) first.order.take(numbered(number), 0);
  const state = JSON.parse(JSON.stringify(first.order.state()));
  const second = reader(state);
  for (const number of [1, 2, 3, 10]) second.order.take(numbered(number), 0);
  second.order.tick(1000);
  expect(second.numbers()).toEqual([3, 10]);
  expect(second.gaps).toMatchObject([{ missing: 6 }]);
});

test('the position does not pass an event that is held', () => {
  const { order } = reader();
  order.take(numbered(0), 0);
  const held = numbered(5);
  order.take(held, 0);
  order.take(numbered(0, 'b'), 0);
  expect(order.firstHeld).toBe(held.sequence);
  order.tick(1000);
  expect(order.firstHeld).toBeUndefined();
});

test('events of other programs, without a number, are told apart by their ids', () => {
  const { order, emitted } = reader();
  const foreign = fleetEvent(killAt('x'), { run: null, number: null });
  order.take(foreign, 0);
  order.take(foreign, 0);
  expect(emitted).toHaveLength(1);
});

test('events of the next process of a node wait for a missing event of the process before', () => {
  const { order, emitted } = reader();
  const at = (run: string, number: number) =>
    fleetEvent(killAt(`${run}-${number}`), { run, number, node: 'n1', settled: 0 });
  for (const event of [at('a', 0), at('a', 2), at('b', 0), at('b', 1)]) order.take(event, 0);
  expect(emitted).toHaveLength(1);
  expect(order.firstHeld).toBeDefined();
  order.tick(1000);
  expect(emitted.map(({ event }) => event.id)).toEqual(['a-0', 'a-2', 'b-0', 'b-1']);
});
