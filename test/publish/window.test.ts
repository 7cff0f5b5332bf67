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
  const forbidden: string[] = [];
  const window = new Window(queue, {
    send: ({ id }, settled) => {
      const answer = Promise.withResolvers<boolean>();
      sent.push({ id, settled, answer });
      return answer.promise;
    },
    isUp: () => true,
    onFailure: () => {},
    onForbidden: ({ id }) => forbidden.push(id),
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

/** A server that acknowledges each entry for which `refusal` returns nothing. */
function served(refusal: (entry: Entry) => Error | undefined) {
  const queue = new DiskQueue<Entry>({ directory: undefined, codec: entryCodec });
  const stored: string[] = [];
  const forbidden: string[] = [];
  let tries = 0;
  const window = new Window(queue, {
    send: async (each) => {
      tries++;
      const error = refusal(each);
      if (error) throw error;
      if (!stored.includes(each.id)) stored.push(each.id);
      return true;
    },
    isUp: () => true,
    onFailure: () => {},
    onForbidden: ({ id }) => forbidden.push(id),
    onSent: () => {},
  });
  const push = (from: number, to: number, typeOf: (number: number) => string) => {
    for (let number = from; number < to; number++)
      queue.push({ ...entry, number, id: String(number), type: typeOf(number) });
    window.wake();
  };
  return { queue, window, push, stored, forbidden, tries: () => tries };
}
const violation = new Error('Permissions Violation for Publish to "oomscope.v1.c.n.guard.fired"');
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

test('an entry that the server always refuses keeps no other from being sent, and is tried ever more rarely', async () => {
  const { queue, window, push, stored, tries } = served(({ id }) => (id === '10' ? new Error('no') : undefined));
  push(0, 500, () => 'oom.kill');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stored).toEqual(numbers(0, 500).filter((id) => id !== '10'));
  expect(queue.length).toBe(1);
  const before = tries();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(tries() - before).toBeLessThan(60);
  window.close();
});

test('entries of a type that the account forbids are given up when the server takes those of others', async () => {
  const typeOf = (number: number) => (number % 3 === 1 ? 'guard.fired' : 'oom.kill');
  const { queue, window, push, stored, forbidden } = served(({ type }) =>
    type === 'guard.fired' ? violation : undefined,
  );
  push(0, 500, typeOf);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(stored).toEqual(numbers(0, 500).filter((_, number) => typeOf(number) === 'oom.kill'));
  expect([...forbidden].sort()).toEqual(
    numbers(0, 500)
      .filter((_, number) => typeOf(number) === 'guard.fired')
      .sort(),
  );
  expect(queue.length).toBe(0);
  window.close();
});

test('permitted entries behind more forbidden ones than can be on their way are sent', async () => {
  const { queue, window, push, stored, forbidden } = served(({ type }) =>
    type === 'guard.fired' ? violation : undefined,
  );
  push(0, 200, () => 'guard.fired');
  await vi.advanceTimersByTimeAsync(20_000);
  expect({ stored, forbidden, waiting: queue.length }).toEqual({ stored: [], forbidden: [], waiting: 200 });
  push(200, 210, () => 'oom.kill');
  await vi.advanceTimersByTimeAsync(120_000);
  expect(stored).toEqual(numbers(200, 210));
  push(210, 211, () => 'oom.kill');
  await vi.advanceTimersByTimeAsync(30_000);
  expect([...forbidden].sort()).toEqual(numbers(0, 200).sort());
  expect(queue.length).toBe(0);
  window.close();
});

test('while the account permits nothing, every entry waits; all are sent when it permits them', async () => {
  let permits = false;
  const { queue, window, push, stored, forbidden } = served(() => (permits ? undefined : violation));
  push(0, 200, (number) => (number % 2 === 0 ? 'guard.fired' : 'oom.kill'));
  await vi.advanceTimersByTimeAsync(300_000);
  expect(queue.length).toBe(200);
  permits = true;
  await vi.advanceTimersByTimeAsync(30_000);
  expect([...stored].sort()).toEqual(numbers(0, 200).sort());
  expect({ forbidden, waiting: queue.length }).toEqual({ forbidden: [], waiting: 0 });
  window.close();
});
