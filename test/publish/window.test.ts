import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DiskQueue } from '../../src/alerts/disk-queue.ts';
import { type Entry, entryCodec } from '../../src/publish/entry.ts';
import { Window } from '../../src/publish/window.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const entry: Entry = { run: 'r', number: 0, id: '', type: 't', time: '', json: '{}' };

function opened() {
  const queue = new DiskQueue<Entry>({ directory: undefined, codec: entryCodec });
  const sent: { id: string; settled: number; answer: PromiseWithResolvers<boolean> }[] = [];
  const window = new Window(queue, {
    send: ({ id }, settled) => {
      const answer = Promise.withResolvers<boolean>();
      sent.push({ id, settled, answer });
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
  const refuse = async (at: number) => {
    sent[at]?.answer.reject(new Error('no'));
    await vi.advanceTimersByTimeAsync(0);
  };
  return { queue, window, push, acknowledge, refuse, sent, ids: () => sent.map(({ id }) => id) };
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

test('a second lost entry is sent again, too, when the first was only late', async () => {
  const { window, push, acknowledge, ids } = opened();
  for (const id of ['a', 'b', 'c', 'd']) await push(id);
  await acknowledge(1);
  await acknowledge(3);
  await acknowledge(0);
  await vi.advanceTimersByTimeAsync(210);
  expect(ids()).toEqual(['a', 'b', 'c', 'd', 'c']);
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

test('no entry is sent 64 places after one that is not acknowledged', async () => {
  const { queue, window, acknowledge, ids } = opened();
  for (let number = 0; number < 100; number++) queue.push({ ...entry, number, id: String(number) });
  window.wake();
  for (let at = 1; at < 64; at++) await acknowledge(at);
  expect(ids()).toHaveLength(64);
  await acknowledge(0);
  expect(ids()).toHaveLength(100);
  window.close();
});

test('an entry says which entries of its process are acknowledged or given up', async () => {
  const { queue, window, acknowledge, sent } = opened();
  const push = (run: string, number: number) => queue.push({ ...entry, run, number, id: `${run}${number}` });
  push('old', 7);
  for (const number of [0, 1]) push('new', number);
  window.wake();
  await acknowledge(1);
  push('new', 2);
  window.wake();
  await acknowledge(2);
  push('new', 3);
  window.wake();
  expect(sent.map(({ id, settled }) => [id, settled])).toEqual([
    ...[
      ['old7', 7],
      ['new0', 0],
      ['new1', 0],
      ['new2', 1],
      ['new3', 2],
    ],
  ]);
  window.close();
});

test('a refused entry is sent again a tenth of a second later when a later one was acknowledged, although another has no answer', async () => {
  const { window, push, acknowledge, refuse, ids } = opened();
  for (const id of ['a', 'b', 'c']) await push(id);
  await refuse(0);
  await acknowledge(2);
  await vi.advanceTimersByTimeAsync(110);
  expect(ids()).toEqual(['a', 'b', 'c', 'a', 'b']);
  window.close();
});
