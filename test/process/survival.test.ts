import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type Survival, survive } from '../../src/process/survival.ts';
import { schedulingOf } from '../scheduling.ts';

let undo = () => {};
afterEach(() => undo());

function ask(wanted: Survival) {
  const done = survive(wanted);
  undo = done.undo;
  return done.survived;
}

const lockedKib = () => Number(/^VmLck:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
/** Of the JavaScript thread. */
const scheduling = () => schedulingOf(process.pid);

test('locks the pages of code after their first use, and V8 can still free memory', () => {
  expect(lockedKib()).toBe(0);
  expect(ask({ lockMemory: true })).toEqual({ lockMemory: null });
  expect(lockedKib()).toBeGreaterThan(10_000);
  // With mlockall(2), V8 would abort here: "Check failed: 0 == ret".
  for (let i = 0; i < 20; i++) Array.from({ length: 200_000 }, (_, n) => ({ n }));
  undo();
  expect(lockedKib()).toBe(0);
});

test('sets the priority of the JavaScript thread, and restores it', () => {
  const before = scheduling();
  expect(ask({ nice: -5, realtimePriority: 3 })).toEqual({ nice: null, realtimePriority: null });
  expect(scheduling()).toMatchObject({ priority: 3, policy: 2 });
  undo();
  expect(scheduling()).toEqual(before);
});

test('runs JavaScript in slices of CPU time where the kernel permits it, and otherwise all the time', () => {
  const before = scheduling();
  const [SCHED_RR, SCHED_DEADLINE] = [2, 6];
  expect(ask({ realtimePriority: 3, realtimeSlices: { runMs: 2, everyMs: 20 } })).toEqual({ realtimePriority: null });
  expect(scheduling()).toMatchObject({ policy: SCHED_DEADLINE });
  const [begin, used] = [performance.now(), process.cpuUsage()];
  while (performance.now() - begin < 400);
  const { user, system } = process.cpuUsage(used);
  expect((user + system) / 1000).toBeLessThan(200); // the kernel counts in ticks
  undo();
  expect(scheduling()).toEqual(before);
  expect(ask({ realtimePriority: 3, realtimeSlices: { runMs: 20, everyMs: 2 } })).toEqual({ realtimePriority: null });
  expect(scheduling()).toMatchObject({ policy: SCHED_RR });
});

test('reports a setting that the kernel refuses, and applies the others', () => {
  const adj = () => Number(readFileSync('/proc/self/oom_score_adj', 'latin1'));
  const before = adj();
  const survived = ask({ oomScoreAdj: -2000, nice: 5 });
  expect(survived).toEqual({ oomScoreAdj: expect.stringContaining('EINVAL'), nice: null });
  expect(scheduling().nice).toBe(5);
  undo();
  expect(ask({ oomScoreAdj: before + 1 })).toEqual({ oomScoreAdj: null });
  expect(adj()).toBe(before + 1);
  undo();
  expect(adj()).toBe(before);
  expect(ask({ lockMemory: false })).toEqual({});
});
