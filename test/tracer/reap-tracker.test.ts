import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OomStep, OomStepRecord } from '../../src/bpf/wire/layout.ts';
import type { OomKill } from '../../src/model/events.ts';
import { type Reaping, ReapTracker } from '../../src/tracer/reap-tracker.ts';
import { batchOf, stepRecord } from '../bpf/wire/records.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const kill = (pid: number, startTicks = 1, memory: object | null = {}) =>
  ({
    type: 'oom.kill',
    id: `kill-${pid}-${startTicks}`,
    mono_ns: '1000',
    signal_to_mark_ns: 2,
    victim: { pid, tid: pid, comm: 'hog', start_ticks: startTicks, memory },
    limit: { usage_bytes: 8192 },
  }) as unknown as OomKill;

function follow() {
  const said: Reaping[] = [];
  const reapTracker = new ReapTracker(4096, (reaping) => said.push(reaping));
  const step = (pid: number, which: keyof typeof OomStep, at: bigint, more = {}) => {
    const batch = batchOf(stepRecord({ pid, step: OomStep[which], ktimeNs: at, ...more }));
    reapTracker.step(new OomStepRecord(batch.view, 0));
  };
  return { said, reapTracker, step };
}

const endOfBatch = () => Promise.resolve();

test('sets no timer for a victim that is gone in the same batch, as that of a rehearsal', async () => {
  const set = vi.spyOn(globalThis, 'setTimeout');
  const { said, reapTracker, step } = follow();
  reapTracker.start(kill(5));
  step(5, 'STEP_EXIT', 1500n);
  step(5, 'STEP_MM_GONE', 1600n);
  await endOfBatch();
  expect(said).toHaveLength(1);
  expect(set).not.toHaveBeenCalled();
});

test('reports a victim that exits, with the memory that was freed', () => {
  const { said, reapTracker, step } = follow();
  reapTracker.start(kill(5));
  expect(reapTracker.follows(5, 1)).toBe(true);
  expect(reapTracker.follows(5, 2)).toBe(false);
  step(5, 'STEP_EXIT', 1500n);
  expect(said).toEqual([]);
  step(5, 'STEP_MM_GONE', 2000n, { limitId: 7n, usagePages: 1n });
  expect(said).toHaveLength(1);
  expect(said[0]).toMatchObject({
    atNs: 2000n,
    facts: {
      ...{ type: 'oom.reaped', kill_id: 'kill-5-1', outcome: 'exited', reaper_skipped: false, mark_to_signal_ns: -2 },
      ...{ mark_to_exit_ns: 500, mark_to_memory_back_ns: 1000, mark_to_reaper_finish_ns: null },
      ...{ limit_usage_before_bytes: 8192, limit_usage_after_bytes: 4096 },
      victim: { pid: 5, tid: 5, comm: 'hog', start_ticks: 1 },
    },
  });
  expect(reapTracker.follows(5, 1)).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

test('reports that the OOM reaper freed the memory before the victim exited', () => {
  const { said, reapTracker, step } = follow();
  reapTracker.start(kill(5));
  step(5, 'STEP_REAPER_WAKE', 1100n);
  step(5, 'STEP_REAPER_START', 1200n);
  step(5, 'STEP_REAPER_FINISH', 1300n, { limitId: 7n, usagePages: 0n });
  step(5, 'STEP_REAPER_FINISH', 1400n);
  step(5, 'STEP_MM_GONE', 1900n, { limitId: 7n, usagePages: 9n });
  step(5, 'STEP_EXIT', 2000n);
  expect(said[0]?.facts).toMatchObject({
    ...{ outcome: 'reaped', mark_to_reaper_wake_ns: 100, mark_to_reaper_start_ns: 200, mark_to_reaper_finish_ns: 300 },
    ...{ mark_to_memory_back_ns: 300, mark_to_exit_ns: 1000, limit_usage_after_bytes: 0 },
  });
});

test('reports a victim as unfinished after 30 s, and ignores later steps', async () => {
  const { said, reapTracker, step } = follow();
  reapTracker.start(kill(5));
  await endOfBatch();
  step(5, 'STEP_REAPER_SKIP', 1300n);
  vi.advanceTimersByTime(29_999);
  expect(said).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(said[0]?.facts).toMatchObject({ outcome: 'unfinished', reaper_skipped: true, mark_to_memory_back_ns: null });
  step(5, 'STEP_EXIT', 5000n);
  step(5, 'STEP_MM_GONE', 5000n);
  expect(said).toHaveLength(1);
});

test('reports a victim that had no memory when it was marked as exited once it exits', () => {
  const { said, reapTracker, step } = follow();
  reapTracker.start(kill(5, 1, null));
  step(5, 'STEP_EXIT', 1500n);
  expect(said.map(({ facts }) => [facts.outcome, facts.mark_to_memory_back_ns])).toEqual([['exited', null]]);
});

test('close() reports every victim that is still followed, and leaves no timer', async () => {
  const { said, reapTracker } = follow();
  reapTracker.start(kill(5));
  await endOfBatch();
  expect(vi.getTimerCount()).toBe(1);
  reapTracker.start(kill(6));
  reapTracker.close();
  await endOfBatch();
  expect(said.map(({ facts }) => [facts.victim.pid, facts.outcome])).toEqual([
    [5, 'unfinished'],
    [6, 'unfinished'],
  ]);
  expect(vi.getTimerCount()).toBe(0);
  reapTracker.close();
  expect(said).toHaveLength(2);
});

test('ignores the steps of processes that it does not follow', () => {
  const { said, reapTracker, step } = follow();
  reapTracker.start(kill(5));
  step(6, 'STEP_EXIT', 1500n);
  step(6, 'STEP_MM_GONE', 1500n);
  expect(said).toEqual([]);
  reapTracker.close();
});

test('a new victim that has the pid of an earlier victim ends the earlier report, and gets its own 30 s', async () => {
  const { said, reapTracker, step } = follow();
  reapTracker.start(kill(5, 1));
  await endOfBatch();
  vi.advanceTimersByTime(20_000);
  reapTracker.start(kill(5, 2));
  await endOfBatch();
  expect(said.map(({ facts }) => facts.kill_id)).toEqual(['kill-5-1']);
  vi.advanceTimersByTime(20_000);
  expect(said).toHaveLength(1);
  step(5, 'STEP_EXIT', 1500n);
  step(5, 'STEP_MM_GONE', 1600n);
  expect(said.map(({ facts }) => [facts.kill_id, facts.outcome])).toEqual([
    ['kill-5-1', 'unfinished'],
    ['kill-5-2', 'exited'],
  ]);
  expect(vi.getTimerCount()).toBe(0);
});
