import { expect, test } from 'vitest';
import { endingsOf, judge, type KnownKill, killOf, stopOf } from '../../src/kubernetes/endings.ts';
import { PodKillTable } from '../../src/kubernetes/pod-kills.ts';

const at = (second: number) => new Date(Date.UTC(2026, 10, 28, 12, 0, second)).toISOString();
const terminated = (exitCode: number, finished: number, reason = 'OOMKilled', started = 0) => ({
  containerStatuses: [
    {
      name: 'app',
      lastState: { terminated: { reason, exitCode, startedAt: at(started), finishedAt: at(finished) } },
      state: { running: {} },
    },
  ],
});
const ending = (...given: Parameters<typeof terminated>) => {
  const [found] = endingsOf({ status: terminated(...given) });
  if (!found) throw new Error('expected an end');
  return found;
};
const kill = (second: number, isMain: boolean, more: Partial<KnownKill> = {}): KnownKill => ({
  ...{
    container: 'app',
    isMain,
    firstMs: Date.parse(at(second)),
    lastMs: Date.parse(at(second)),
    count: 1,
    note: 'NOTE',
  },
  ...more,
});

test.each([
  ['the main process was killed', ending(137, 60), [kill(59, true)], 'true', 'NOTE'],
  [
    'the main process was killed, and the status says Error',
    ending(137, 60, 'Error'),
    [kill(60, true)],
    'missed',
    'says Error',
  ],
  ['a child was killed days before a SIGTERM', ending(143, 3000), [kill(59, false)], 'false', 'SIGTERM ended it'],
  ['a SIGTERM, and the Event of the child has expired', ending(143, 3000), [], 'false', 'SIGTERM ended it'],
  [
    'a child was killed long before the program ended by itself',
    ending(0, 3000),
    [kill(59, false)],
    'false',
    'with success',
  ],
  ['a child was killed long before another SIGKILL', ending(137, 3000), [kill(59, false)], 'false', 'Another SIGKILL'],
  [
    'a child was killed, and the shell passed this on',
    ending(137, 60),
    [kill(59, false)],
    'child',
    'the container ended with it',
  ],
  ['a child was killed, and the main process gave up', ending(1, 60), [kill(58, false)], 'child', 'with exit code 1'],
  ['no Event is left', ending(137, 60), [], 'unknown', 'expired'],
  ['a kill of the container before this one', ending(137, 60, 'OOMKilled', 30), [kill(10, true)], 'unknown', 'expired'],
  ['a kill of another container', ending(137, 60), [kill(59, true, { container: 'proxy' })], 'unknown', 'expired'],
  ['an abort', ending(134, 3000), [kill(59, false)], 'false', 'Signal 6'],
  [
    'a series goes on over the end: when its kills happened is not known',
    ending(137, 600),
    [kill(10, false, { lastMs: Date.parse(at(1200)), count: 50 })],
    'child',
    'the container ended with it',
  ],
])('%s', (_, end, kills, verdict, says) => {
  expect(judge(end, kills)).toMatchObject({ verdict, why: expect.stringContaining(says) });
});

const PROBE = 'Container app failed liveness probe, will be restarted';
const stop = (second: number, container: string | null = 'app', last = second) => ({
  ...{ container, firstMs: Date.parse(at(second)), lastMs: Date.parse(at(last)), words: PROBE },
});

test('the kubelet says why it ended a container, whose label comes from a kill long before', () => {
  const child = [kill(59, false)];
  const says = (stops: Parameters<typeof judge>[2], code = 137) => judge(ending(code, 3000), child, stops)?.why;
  expect(says([stop(2970)])).toMatch(
    /^Another SIGKILL ended it, not the OOM killer\. The kubelet had it ended: "Container app failed liveness probe, will be restarted"\. The label comes from an OOM kill 49 min earlier/,
  );
  expect(says([stop(2999)], 143)).toMatch(/told to stop\. The kubelet had it ended: "Container app failed/);
  // Repeats of an Event have one object, with the times of the first and the last.
  expect(says([stop(2970, 'app', 9000)])).toContain(PROBE);
  expect(says([stop(2970, null)])).toContain(PROBE);
  for (const other of [stop(2970, 'proxy'), stop(3010), stop(-60)]) expect(says([other])).not.toContain(PROBE);
});

test('the words of the kubelet are read from its Event, and not from that of another program', () => {
  const event = {
    ...{ reason: 'Killing', note: PROBE, eventTime: null, reportingController: '' },
    ...{ deprecatedSource: { component: 'kubelet', host: 'n1' }, regarding: { fieldPath: 'spec.containers{app}' } },
    ...{ deprecatedFirstTimestamp: at(1), deprecatedLastTimestamp: at(9), deprecatedCount: 2 },
  };
  expect(stopOf(event)).toEqual(stop(1, 'app', 9));
  expect(stopOf({ ...event, deprecatedSource: {}, reportingController: 'kubelet' })).toEqual(stop(1, 'app', 9));
  for (const other of [
    { deprecatedSource: {} },
    { reason: 'Pulled' },
    { note: null },
    { deprecatedFirstTimestamp: null },
  ])
    expect(stopOf({ ...event, ...other })).toBeUndefined();
});

test('an evicted pod, whose label comes from a kill long before, is told with the words of the eviction', () => {
  const pod = {
    metadata: { uid: 'u' },
    status: { ...terminated(137, 3000), reason: 'Evicted', message: 'The node was low on resource: memory.' },
  };
  const regarding = { uid: 'u', fieldPath: 'spec.containers{app}' };
  const table = new PodKillTable({ sinceMs: 0 });
  table.takeEvent({ reason: 'ProcessOOMKilled', regarding, metadata: { name: 'a' }, eventTime: at(59), note: 'NOTE' });
  table.takeStop('ADDED', {
    ...{ reason: 'Killing', regarding, metadata: { name: 'b' }, note: 'Stopping container app' },
    ...{ reportingController: 'kubelet', deprecatedFirstTimestamp: at(2998) },
  });
  expect(table.takePod(pod)).toMatchObject([
    {
      verdict: 'false',
      message: expect.stringContaining('"Stopping container app. Evicted: The node was low on resource: memory."'),
    },
    { verdict: 'evicted', container: null },
  ]);
});

test('an end that has nothing to do with memory is not judged', () => {
  expect(judge(ending(1, 60, 'Error'), [])).toBeUndefined();
  expect(judge(ending(0, 60, 'Completed'), [kill(10, false)])).toBeUndefined();
});

test('a kill is read from an Event, with its container and the times of its series', () => {
  const event = {
    ...{ reason: 'ProcessOOMKilled', eventTime: '2026-11-28T12:00:00.000001Z', note: 'n' },
    regarding: { fieldPath: 'spec.initContainers{proxy}' },
    series: { count: 7, lastObservedTime: '2026-11-28T12:01:00.000000Z' },
  };
  expect(killOf(event)).toMatchObject({ container: 'proxy', isMain: false, count: 7 });
  expect(killOf({ ...event, reason: 'BackOff' })).toBeUndefined();
  expect(killOf({ reason: 'ContainerOOMKilled', eventTime: 17 })).toBeUndefined();
});

test('ends are read from every kind of container, and damaged statuses are left out', () => {
  expect(
    endingsOf({ status: { initContainerStatuses: [{ name: 'i', state: { terminated: { exitCode: 137 } } }] } }),
  ).toEqual([{ container: 'i', reason: '', exitCode: 137, startedMs: null, finishedMs: null }]);
  expect(endingsOf({ status: { containerStatuses: [null, 1, { name: 'x', state: { terminated: 'yes' } }] } })).toEqual(
    [],
  );
});
