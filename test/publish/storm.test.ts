import { expect, test } from 'vitest';
import type { Event, OomKill } from '../../src/model/events.ts';
import { aboutOf, workloadOf } from '../../src/publish/about.ts';
import { Storm } from '../../src/publish/storm.ts';
import { eventsOfType, recordings } from '../../src/testing/recordings.ts';
import { withChanges } from '../../src/testing/with-changes.ts';

const [sample] = eventsOfType(recordings.containerKill, 'oom.kill') as [OomKill];
const kill = (id: number, comm = 'hog', severity: Event['severity'] = 'critical'): OomKill =>
  withChanges(sample, { id: `k${id}`, severity, victim: { comm } });

test('below the limit every event is published', () => {
  const storm = new Storm({ perSecond: 10, burst: 10 }, 0);
  expect(Array.from({ length: 100 }, (_, i) => storm.take(kill(i), i * 100)).every(Boolean)).toBe(true);
  expect(storm.summaries(1e6, true)).toEqual([]);
});

test('above the limit repeats are counted, and the counts and the published events add up', () => {
  const storm = new Storm({ perSecond: 10, burst: 10 }, 0);
  let published = 0;
  for (let i = 0; i < 1000; i++) if (storm.take(kill(i), i)) published++;
  const folded = storm.summaries(1000, true).reduce((sum, { count }) => sum + count, 0);
  expect(published + folded).toBe(1000);
  expect(published).toBeLessThanOrEqual(21);
});

test('the first event of a kind is never folded, however many kinds there are', () => {
  const storm = new Storm({ perSecond: 1, burst: 1 }, 0);
  for (let i = 0; i < 3000; i++) expect(storm.take(kill(i, `program-${i}`), 0)).toBe(true);
});

test('a more severe event is not folded with its milder kin', () => {
  const storm = new Storm({ perSecond: 1, burst: 1 }, 0);
  expect(storm.take(kill(1, 'hog', 'warning'), 0)).toBe(true);
  expect(storm.take(kill(2, 'hog', 'warning'), 0)).toBe(false);
  expect(storm.take(kill(3, 'hog', 'critical'), 0)).toBe(true);
});

test('a kind that was not seen for a minute is a first again', () => {
  const storm = new Storm({ perSecond: 0.001, burst: 1 }, 0);
  expect(storm.take(kill(1), 0)).toBe(true);
  expect(storm.take(kill(2), 1)).toBe(false);
  expect(storm.take(kill(3), 59_000)).toBe(false);
  expect(storm.take(kill(4), 120_000)).toBe(true);
});

test('a summary says what was folded, and comes every ten seconds', () => {
  const storm = new Storm({ perSecond: 0.001, burst: 1 }, 0);
  storm.take(kill(1), 0);
  for (let i = 2; i < 10; i++) storm.take(kill(i), i);
  expect(storm.summaries(9_000)).toEqual([]);
  expect(storm.summaries(10_000)).toMatchObject([
    { eventType: 'oom.kill', count: 8, firstId: 'k1', about: { comm: 'hog', cgroup: sample.limit?.path } },
  ]);
  expect(storm.summaries(30_000)).toEqual([]);
});

test('a kind that is forgotten leaves its count', () => {
  const storm = new Storm({ perSecond: 0.001, burst: 1 }, 0);
  storm.take(kill(1), 0);
  storm.take(kill(2), 0);
  for (let i = 0; i < 1500; i++) storm.take(kill(i, `other-${i}`), 1);
  expect(storm.summaries(2)).toMatchObject([{ count: 1, firstId: 'k1' }]);
});

test('aboutOf() finds the place in a recorded kill, and nulls in anything else', () => {
  expect(aboutOf(sample)).toMatchObject({ cgroup: sample.limit?.path, comm: sample.victim.comm });
  expect(aboutOf({ victim: 3, limit: { path: 7 }, container: null })).toMatchObject({ cgroup: null, comm: null });
});

test.each([
  ['web-5d4f8c7b9-x2x4z', 'shop/web'],
  ['db-0', 'shop/db'],
  ['agent-kq7xz', 'shop/agent'],
  ['standalone', null],
])('the workload of the pod %s is %s', (pod, workload) => {
  expect(workloadOf({ namespace: 'shop', pod })).toBe(workload);
});
