import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DiskQueue } from '../../src/alerts/disk-queue.ts';
import { type Entry, entryCodec } from '../../src/publish/entry.ts';
import { Window } from '../../src/publish/window.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const entry: Entry = { run: 'r', number: 0, id: '', type: 't', time: '', json: '{}' };

function opened() {
  const queue = new DiskQueue<Entry>({ directory: undefined, codec: entryCodec });
  const sent: { id: string; answer: PromiseWithResolvers<boolean> }[] = [];
  const window = new Window(queue, {
    send: ({ id }) => {
      const answer = Promise.withResolvers<boolean>();
      sent.push({ id, answer });
      return answer.promise;
    },
    isUp: () => true,
    onFailure: () => {},
    onSent: () => {},
  });
  const push = async (id: string) => {
    queue.push({ ...entry, id });
    window.wake();
    await vi.advanceTimersByTimeAsync(0);
  };
  const acknowledge = async (at: number) => {
    sent[at]?.answer.resolve(true);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { queue, window, push, acknowledge, ids: () => sent.map(({ id }) => id) };
}

test('an entry without an answer is sent again, in order, a tenth of a second after it, when a later one was acknowledged', async () => {
  const { queue, window, push, acknowledge, ids } = opened();
  for (const id of ['a', 'b', 'c']) await push(id);
  await acknowledge(1);
  await vi.advanceTimersByTimeAsync(90);
  expect(ids()).toEqual(['a', 'b', 'c']);
  await vi.advanceTimersByTimeAsync(20);
  expect(ids()).toEqual(['a', 'b', 'c', 'a', 'c']);
  await acknowledge(3);
  await acknowledge(4);
  expect(queue.length).toBe(0);
  window.close();
});

test('entries in memory are sent in one turn of the event loop, at most 64 without an answer', () => {
  const { queue, window, ids } = opened();
  for (let number = 0; number < 100; number++) queue.push({ ...entry, number, id: String(number) });
  window.wake();
  expect(ids()).toEqual(Array.from({ length: 64 }, (_, number) => String(number)));
  window.close();
});

test('answers in another order are no loss', async () => {
  const { queue, window, push, acknowledge, ids } = opened();
  for (const id of ['a', 'b']) await push(id);
  await acknowledge(1);
  await acknowledge(0);
  await vi.advanceTimersByTimeAsync(5000);
  expect(ids()).toEqual(['a', 'b']);
  expect(queue.length).toBe(0);
  window.close();
});
