import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OrderedOutbox } from '../../src/events/ordered-outbox.ts';

function outbox() {
  const out: number[] = [];
  return { out, box: new OrderedOutbox<number>((item) => out.push(item)) };
}

test('emits an item at once if no earlier item is incomplete', () => {
  const { out, box } = outbox();
  box.push(1);
  box.push(2);
  expect(out).toEqual([1, 2]);
});

test('keeps items behind an incomplete item until that is completed', () => {
  const { out, box } = outbox();
  const release1 = box.hold(() => 1);
  box.push(2);
  const release3 = box.hold(() => 3);
  box.push(4);
  release3();
  expect(out).toEqual([]);
  release1();
  expect(out).toEqual([1, 2, 3, 4]);
  release1();
  release3();
  expect(out).toEqual([1, 2, 3, 4]);
});

test('completes an item only once, even if it then waits for an earlier item', () => {
  const { out, box } = outbox();
  let state = 20;
  let finished = 0;
  const release1 = box.hold(() => 1);
  const release2 = box.hold(() => {
    finished++;
    return state;
  });
  expect(finished).toBe(0);
  release2();
  state = 30;
  release2();
  release1();
  expect(out).toEqual([1, 20]);
  expect(finished).toBe(1);
});

test('flush() completes and emits all items, and a later completion does nothing', () => {
  const { out, box } = outbox();
  const release = box.hold(() => 1);
  box.push(2);
  box.flush();
  expect(out).toEqual([1, 2]);
  const held = box.hold(() => 3);
  release();
  expect(out).toEqual([1, 2]);
  held();
  expect(out).toEqual([1, 2, 3]);
});

test('puts an item that a receiver adds during emission behind the waiting items', () => {
  const out: number[] = [];
  const box: OrderedOutbox<number> = new OrderedOutbox((item) => {
    out.push(item);
    if (item === 1) box.push(10);
  });
  const release = box.hold(() => 1);
  box.push(2);
  release();
  expect(out).toEqual([1, 2, 10]);
});

test('emits items in the order of hold(), whatever the order of their completion', () => {
  const step = fc.oneof(fc.constant('push'), fc.constant('hold'), fc.nat());
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { out, box } = outbox();
      const held: (() => void)[] = [];
      let count = 0;
      for (const what of steps) {
        const item = count;
        if (typeof what === 'string') count++;
        if (what === 'push') box.push(item);
        else if (what === 'hold') held.push(box.hold(() => item));
        else held[Number(what) % Math.max(1, held.length)]?.();
        expect(out).toEqual(Array.from({ length: out.length }, (_, i) => i));
      }
      for (const release of held) release();
      expect(out.length).toBe(count);
    }),
  );
});
