/**
 * Writes thousands of real stalls a second into the smallest ring while JavaScript is busy most of the time (for longer
 * with PRESSURE_FLOOD_SECONDS=60); then makes a million synthetic stalls as fast as possible.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { TracerLost } from '../../src/model/events.ts';
import type { PressureLevel } from '../../src/model/pressure.ts';
import { openPressure, PressureMonitor } from '../../src/pressure/monitor.ts';
import { heldIds } from './bpf-ids.ts';
import { startChild } from './children/child.ts';
import { createMemoryGroup, MIB, removeMemoryGroups } from './memcg.ts';

const THRASH = join(import.meta.dirname, '..', '..', 'build', 'thrash');
const SECONDS = Number(process.env.PRESSURE_FLOOD_SECONDS ?? 4);

afterEach(removeMemoryGroups);

test('recorded and lost stalls add up to the counted stalls, and no level is lost', {
  timeout: (SECONDS + 40) * 1000,
}, async () => {
  await using monitor = await openPressure({
    stallMs: 0,
    ringBytes: 65_536,
    windows: [{ ms: 100, some: { low: 0.01 } }],
    coolDownMs: 200,
  });
  let told = 0;
  const lost: TracerLost[] = [];
  const levels: PressureLevel[] = [];
  monitor.stalls$.subscribe(() => told++);
  monitor.lost$.subscribe((event) => lost.push(event));
  const group = createMemoryGroup({ limitBytes: 24 * MIB });
  monitor.pressure$.subscribe((level) => {
    if (level.subject.path === group.cgroupPath) levels.push(level);
  });

  const rssBefore = process.memoryUsage.rss();
  const words = ['--cgroup', group.path, '--seconds', String(SECONDS), '--file', '64M', '--sparse', '--threads', '2'];
  const child = spawn(THRASH, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (!ended) {
    Atomics.wait(pause, 0, 0, 1000); // two batches and the ring have room for the records of about 0.3 s
    await sleep(50);
  }
  await sleep(1000);
  const rssGrown = process.memoryUsage.rss() - rssBefore;

  // Counts the stalls of the whole system, because records of other cgroups use the ring, too. The count may rise
  // meanwhile.
  const sum = () => {
    const before = told + (monitor.lostSoFar().pressure_stall ?? 0);
    return { seen: before, counted: 2 * (monitor.totals()[0]?.stalls ?? 0) };
  };
  const end = performance.now() + 5000;
  while (sum().seen !== sum().counted && performance.now() < end) await sleep(50);
  expect(sum().seen).toBe(sum().counted);

  const own = monitor.totals().find(({ subject }) => subject.path === group.cgroupPath);
  const lostStalls = monitor.lostSoFar().pressure_stall ?? 0;
  process.stderr.write(
    `${own?.stalls} stalls in ${SECONDS} s, ${told} records read, ${lostStalls} lost and counted, RSS ${Math.round(rssGrown / MIB)} MiB more\n`,
  );
  expect(own?.stalls).toBeGreaterThan(500 * SECONDS);
  expect(lostStalls).toBeGreaterThan(0);
  expect(lost.reduce((total, event) => total + (event.lost.pressure_stall ?? 0), 0)).toBe(lostStalls);
  expect(Object.keys(monitor.lostSoFar())).toEqual(['pressure_stall']);
  expect(levels.map(({ level }) => level).slice(0, 1)).toEqual(['low']);
  expect(levels.at(-1)?.level).toBe('normal');
  expect(levels.at(-1)?.stalls).toBeLessThanOrEqual(own?.stalls ?? 0);
  expect(own?.stalled_now).toBe(0);
  expect(rssGrown).toBeLessThan(100 * MIB);
});

test('a million synthetic stalls: all are counted, each is recorded or counted as lost, and the level is right', {
  timeout: 120_000,
}, async () => {
  const before = new Set(heldIds().programs);
  await using monitor = new PressureMonitor(
    { stallMs: 0, ringBytes: 65_536, windows: [{ ms: 100, some: { low: 0.05, critical: 0.999 } }], coolDownMs: 2000 },
    undefined,
    { file: 'stall-flood.bpf.o', spare: ['stall_flood'] },
  );
  const programs = heldIds().programs.filter((id) => !before.has(id));
  let told = 0;
  const levels: PressureLevel[] = [];
  const group = createMemoryGroup({ limitBytes: 256 * MIB }); // far above its usage: only the flood stalls there
  monitor.stalls$.subscribe(({ task }) => {
    if (task.cgroup === group.cgroupPath) told++;
  });
  monitor.pressure$.subscribe((level) => {
    if (level.subject.path === group.cgroupPath) levels.push(level);
  });
  const own = () => monitor.totals().find(({ subject }) => subject.path === group.cgroupPath);
  const lostStalls = () => monitor.lostSoFar().pressure_stall ?? 0;

  const rssBefore = process.memoryUsage.rss();
  const flood = startChild('stall-flood', [group.path, ...programs.map(String)]);
  expect(await flood.next()).toBe('ready');
  flood.process.stdin?.end('1000000\n');
  const { stalls, seconds } = await flood.next<{ stalls: number; seconds: number }>();
  expect(await flood.ended).toMatchObject({ code: 0, signal: null, stderr: '' });

  const end = performance.now() + 20_000;
  while (levels.at(-1)?.level !== 'normal' && performance.now() < end) await sleep(50);
  const rssGrown = process.memoryUsage.rss() - rssBefore;
  process.stderr.write(
    `${stalls} synthetic stalls in ${seconds.toFixed(1)} s, ${told} records read, ${lostStalls()} lost and counted, RSS ${Math.round(rssGrown / MIB)} MiB more\n`,
  );
  expect(stalls).toBeGreaterThanOrEqual(1_000_000);
  expect(own()?.stalls).toBe(stalls);
  // Includes the few records of other processes that were lost meanwhile.
  expect(told + lostStalls()).toBeGreaterThanOrEqual(2 * stalls);
  expect(told + lostStalls()).toBeLessThanOrEqual(2 * (monitor.totals()[0]?.stalls ?? 0));
  expect(told).toBeGreaterThan(0);
  expect(Object.keys(monitor.lostSoFar())).toEqual(['pressure_stall']);
  expect(levels.map(({ level }) => level)).toEqual(['low', 'normal']);
  expect(levels[1]?.stalls).toBeLessThanOrEqual(stalls);
  expect(own()).toMatchObject({ stalled_now: 0, level: 'normal' });
  expect(own()?.stall_ns).toMatchObject({ other: 0, direct_reclaim: 0 });
  expect(own()?.some_ns).toBeGreaterThan(0);
  expect(own()?.some_ns).toBeLessThanOrEqual(seconds * 1e9);
  expect(rssGrown).toBeLessThan(100 * MIB);
});
