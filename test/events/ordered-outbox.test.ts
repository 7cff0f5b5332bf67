import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OrderedOutbox } from '../../src/events/ordered-outbox.ts';

const line = () => {
  const out: unknown[] = [];
  return { out, line: new OrderedOutbox<unknown>((item) => out.push(item)) };
};

test('what nobody waits for goes at once', () => {
  const { out, line: order } = line();
  order.push(1);
  order.push(2);
  expect(out).toEqual([1, 2]);
});

test('what comes behind something held waits for it', () => {
  const { out, line: order } = line();
  const release1 = order.hold(1);
  order.push(2);
  const release3 = order.hold(3);
  order.push(4);
  release3();
  expect(out).toEqual([]);
  release1();
  expect(out).toEqual([1, 2, 3, 4]);
  release1();
  release3();
  expect(out).toEqual([1, 2, 3, 4]);
});

test('flush lets everything go, and a late release does nothing', () => {
  const { out, line: order } = line();
  const release = order.hold(1);
  order.push(2);
  order.flush();
  expect(out).toEqual([1, 2]);
  const held = order.hold(3);
  release();
  expect(out).toEqual([1, 2]);
  held();
  expect(out).toEqual([1, 2, 3]);
});

test('whatever is pushed while something is let go comes after it', () => {
  const out: number[] = [];
  const order: OrderedOutbox<number> = new OrderedOutbox((item) => {
    out.push(item);
    if (item === 1) order.push(10);
  });
  const release = order.hold(1);
  order.push(2);
  release();
  expect(out).toEqual([1, 2, 10]);
});

test('in any order of holding and releasing, the order is that of coming', () => {
  const step = fc.oneof(fc.constant('push'), fc.constant('hold'), fc.nat());
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { out, line: order } = line();
      const held: (() => void)[] = [];
      let count = 0;
      for (const what of steps) {
        if (what === 'push') order.push(count++);
        else if (what === 'hold') held.push(order.hold(count++));
        else held[Number(what) % Math.max(1, held.length)]?.();
        expect(out).toEqual(Array.from({ length: out.length }, (_, i) => i));
      }
      for (const release of held) release();
      expect(out.length).toBe(count);
    }),
  );
});
