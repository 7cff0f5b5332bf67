import { expect, test } from 'vitest';
import { EventBudget, type Write } from '../../src/kubernetes/event-budget.ts';
import { eventsOfKill, type ObjectEvent } from '../../src/kubernetes/object-event.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { podKill, podUid } from './kills.ts';

const facts = (pod: number) =>
  ({
    namespace: 'shop',
    pod: `web-${pod}`,
    uid: podUid(pod),
    container: 'app',
    container_kind: 'main',
  }) as KubernetesFacts;

function eventOf(id: string, pod = 1): ObjectEvent {
  return eventsOfKill(podKill({ id, pod }), facts(pod), 'n1')[0] as ObjectEvent;
}

/** Plays kills at given times (ms) and takes what is due each second. @returns all writes */
function play(
  kills: { at: number; pod?: number }[],
  untilMs: number,
): { writes: (Write & { at: number })[]; budget: EventBudget } {
  const budget = new EventBudget();
  const writes: (Write & { at: number })[] = [];
  let next = 0;
  for (let now = 0; now <= untilMs; now += 1000) {
    for (; next < kills.length && (kills[next]?.at ?? 0) <= now; next++) {
      const write = budget.take(eventOf(`k-${next}`, kills[next]?.pod), now);
      if (write) writes.push({ ...write, at: now });
    }
    for (const write of budget.due(now)) writes.push({ ...write, at: now });
  }
  return { writes, budget };
}

/** The kills that the server knows of: the last count of each Event. */
function known(writes: Write[]): number {
  const counts = new Map(writes.map(({ event, count }) => [event.metadata.name, count]));
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

test('ten kills are ten Events, and the eleventh counts in the series of the tenth', () => {
  const { writes } = play(
    Array.from({ length: 11 }, () => ({ at: 0 })),
    5000,
  );
  expect(writes.map(({ kind }) => kind)).toEqual([...Array<string>(10).fill('create'), 'count']);
  expect(writes.at(-1)?.event).toMatchObject({ series: { count: 2 } });
  expect(writes.at(-1)?.event.metadata.name).toBe(writes.at(-2)?.event.metadata.name);
  expect(known(writes)).toBe(11);
});

test('a storm of 500 kills of one pod costs few writes, and the last one carries the whole count', () => {
  const { writes, budget } = play(
    Array.from({ length: 500 }, (_, i) => ({ at: i * 200 })),
    1_200_000,
  );
  expect(known(writes)).toBe(500);
  expect(budget.waiting).toBe(0);
  expect(writes.length).toBeLessThanOrEqual(25);
});

test('a crash loop without end settles at one write every 300 s', () => {
  const { writes } = play(
    Array.from({ length: 2160 }, (_, i) => ({ at: i * 10_000 })),
    21_600_000,
  );
  const late = writes.filter(({ at }) => at > 10_800_000);
  expect(late.length).toBeGreaterThan(30);
  expect(late.length).toBeLessThanOrEqual(36);
});

test('pods have budgets of their own', () => {
  const kills = Array.from({ length: 500 }, (_, i) => ({ at: i * 10, pod: i % 100 }));
  const { writes } = play(kills, 10_000);
  expect(writes).toHaveLength(500);
  expect(known(writes)).toBe(500);
});

test('after ten quiet minutes a kill is an Event of its own again', () => {
  const kills = [...Array.from({ length: 12 }, () => ({ at: 0 })), { at: 700_000 }];
  const { writes } = play(kills, 800_000);
  expect(writes.at(-1)).toMatchObject({ kind: 'create', at: 700_000 });
  expect(known(writes)).toBe(13);
});

test('an object without budget gets its Event later, with the count of all kills', () => {
  const budget = new EventBudget();
  const take = (i: number, reason: ObjectEvent['reason'], now: number) =>
    budget.take({ ...eventOf(`k-${reason}-${i}`), reason }, now);
  // 25 writes of other kinds: 10, 10 and 5 Events.
  for (let i = 0; i < 10; i++) take(i, 'ContainerOOMKilled', 0);
  for (let i = 0; i < 10; i++) take(i, 'ProcessOOMKilled', 0);
  for (let i = 0; i < 5; i++) take(i, 'NodeOOMKilled', 0);
  expect(take(0, 'OOMStuck', 0)).toBeUndefined();
  expect(take(1, 'OOMStuck', 1000)).toBeUndefined();
  expect(budget.due(299_000)).toEqual([]);
  expect(budget.nextMs(0)).toBe(300_000);
  expect(budget.due(300_000)).toMatchObject([{ kind: 'create', count: 2, event: { series: { count: 2 } } }]);
});

test('more than 4,096 pods with kills: the oldest is forgotten, and what it had not told is counted', () => {
  const budget = new EventBudget();
  for (let i = 0; i < 12; i++) budget.take(eventOf(`a-${i}`, 1), 0);
  for (let pod = 2; pod <= 4097; pod++) budget.take(eventOf(`b-${pod}`, pod), 0);
  expect(budget.lost).toBe(2);
});
