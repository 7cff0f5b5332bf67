/** Real pressure: cgroups whose file cache is larger than their limit. No process is killed. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadPressure } from '../../src/bpf/load/pressure-loader.ts';
import { noOwner } from '../../src/model/container.ts';
import type { Event } from '../../src/model/events.ts';
import type { PressureCountdown, PressureLevel, PressureStall } from '../../src/model/pressure.ts';
import { openPressure, type PressureMonitor, type PressureOptions } from '../../src/pressure/monitor.ts';
import { pressureConfig } from '../../src/pressure/options.ts';
import { openPsiTrigger, readPsi } from '../../src/pressure/psi-trigger.ts';
import { openTracer } from '../../src/tracer/tracer.ts';
import { schemaErrors } from '../schema.ts';
import {
  createMemoryGroup,
  type MemoryGroup,
  MIB,
  oomKill,
  oomKillsUnavailable,
  oomStorm,
  removeMemoryGroups,
} from './memcg.ts';

const THRASH = join(import.meta.dirname, '..', '..', 'build', 'thrash');

/** Reads a file that is larger than the limit, for `seconds`. */
async function thrash(group: MemoryGroup, seconds: number, ...args: string[]): Promise<void> {
  const words = ['--cgroup', group.path, '--seconds', String(seconds), '--file', '48M', ...args];
  const child = spawn(THRASH, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await new Promise<[number | null]>((resolve) => child.once('exit', (status) => resolve([status])));
  expect(code).toBe(0);
}

interface Watched {
  monitor: PressureMonitor;
  events: Event[];
  stalls(group: MemoryGroup): PressureStall[];
  levels(group: MemoryGroup): PressureLevel[];
}

const open: PressureMonitor[] = [];

async function watch(options: PressureOptions): Promise<Watched> {
  const monitor = await openPressure(options);
  open.push(monitor);
  const events: Event[] = [];
  monitor.events$.subscribe((event) => events.push(event));
  return {
    monitor,
    events,
    stalls: (group) =>
      events.filter(
        (event) => event.type === 'pressure.stall' && event.task.cgroup === group.cgroupPath,
      ) as PressureStall[],
    levels: (group) =>
      events.filter(
        (event) => event.type === 'pressure.level' && event.subject.path === group.cgroupPath,
      ) as PressureLevel[],
  };
}

async function until(fits: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!fits()) {
    if (performance.now() > end) throw new Error(`expected within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

beforeAll(() => {
  expect(oomKillsUnavailable()).toBeUndefined();
});

afterEach(() => {
  for (const monitor of open.splice(0)) monitor.close();
  removeMemoryGroups();
});

const sensitive: PressureOptions = {
  windows: [
    { ms: 20, some: { low: 0.001 } },
    { ms: 200, some: { low: 0.001 } },
  ],
  coolDownMs: 300,
};

describe('pressure', () => {
  test('reports stalls, levels and totals of a cgroup at its limit, and none of its neighbour', async () => {
    const watched = await watch({ ...sensitive, stallMs: 0 });
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    const neighbour = createMemoryGroup({ limitBytes: 24 * MIB });
    await thrash(group, 2);
    await until(() => watched.levels(group).at(-1)?.level === 'normal', 'the end of the episode');

    const stalls = watched.stalls(group);
    const ended = stalls.filter(({ finished }) => finished);
    expect(ended.length).toBeGreaterThan(20);
    expect(new Set(stalls.map(({ cause }) => cause))).toEqual(new Set(['memcg_limit']));
    for (const stall of stalls) expect(stall.task.comm).toBe('thrash');
    for (const { stall_ns, begin_mono_ns, mono_ns } of ended) {
      expect(Number(BigInt(mono_ns) - BigInt(begin_mono_ns))).toBeGreaterThanOrEqual(stall_ns);
      expect(stall_ns).toBeGreaterThan(0);
    }

    const levels = watched.levels(group);
    expect(levels[0]).toMatchObject({ level: 'low', previous: 'normal' });
    expect(levels.at(-1)).toMatchObject({ level: 'normal', peak: { level: 'low' } });
    const episode = levels.filter((level) => level.episode === levels.at(-1)?.episode);
    expect(episode.length).toBe(2);
    const closing = episode[1] as PressureLevel;
    expect(closing.stall_ns.memcg_limit).toBeGreaterThan(0);
    expect(closing.stalls).toBeGreaterThan(0);
    expect(closing.duration_ns).toBeGreaterThanOrEqual(300e6);

    const totals = watched.monitor.totals();
    expect(totals[0]?.subject).toEqual({ scope: 'system', path: '/', id: null, ...noOwner });
    const own = totals.find(({ subject }) => subject.path === group.cgroupPath);
    const system = totals[0];
    expect(own?.stalls).toBe(ended.length);
    expect(own?.stalled_now).toBe(0);
    expect(own?.stall_ns.memcg_limit).toBe(ended.reduce((sum, { stall_ns }) => sum + stall_ns, 0));
    expect(own?.some_ns).toBeGreaterThan(0);
    expect(own?.full_ns).toBeGreaterThan(0);
    expect(own?.full_ns).toBeLessThanOrEqual(own?.some_ns ?? 0);
    expect(system?.stalls).toBeGreaterThanOrEqual(own?.stalls ?? 0);
    expect(totals.some(({ subject }) => subject.path === neighbour.cgroupPath)).toBe(false);
    expect(watched.monitor.lostSoFar()).toEqual({});
    for (const event of watched.events.slice(0, 200)) expect(schemaErrors(event)).toEqual([]);
  });

  test('counts the stalls of descendants in their ancestor', async () => {
    const watched = await watch({ ...sensitive, stallMs: null });
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    const child = group.child('beneath');
    await thrash(child, 1);
    const at = (path: string) => watched.monitor.totals().find(({ subject }) => subject.path === path);
    const [above, below] = [at(group.cgroupPath), at(child.cgroupPath)];
    expect(below?.stalls).toBeGreaterThan(10);
    expect(above?.stalls).toBe(below?.stalls);
    expect(above?.stall_ns).toEqual(below?.stall_ns);
    expect(watched.events.filter(({ type }) => type === 'pressure.stall')).toEqual([]);
  });

  test('emits only stalls that are long enough, with a stack if requested', async () => {
    const watched = await watch({ ...sensitive, stallMs: 1, stack: true });
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    await thrash(group, 2, '--threads', '4');
    const stalls = watched.stalls(group);
    const own = watched.monitor.totals().find(({ subject }) => subject.path === group.cgroupPath);
    for (const { stall_ns } of stalls) expect(stall_ns).toBeGreaterThanOrEqual(1e6);
    expect(stalls.length).toBeLessThan(own?.stalls ?? 0);
    const stack = stalls.find((stall) => stall.stack !== null)?.stack;
    if (stalls.length > 0) expect(stack?.some((frame) => frame.includes('try_charge'))).toBe(true);
  });

  test('counts down the reclaim rounds before a kill', async () => {
    const watched = await watch({ stallMs: null, countdown: 2 });
    const { group, pid } = await oomKill();
    const rounds = () =>
      watched.events.flatMap((event) =>
        event.type === 'pressure.countdown' && event.task.pid === pid ? [event.fruitless_rounds] : [],
      );
    await until(() => Math.max(0, ...rounds()) >= 16, 'sixteen rounds');
    expect(rounds().slice(0, 3)).toEqual([2, 4, 8]);
    const first = watched.events.find((event) => event.type === 'pressure.countdown' && event.task.pid === pid);
    expect(first).toMatchObject({ subject: { scope: 'cgroup', path: group.cgroupPath }, rounds_until_oom: 16 });
    expect(schemaErrors(first as Event)).toEqual([]);
  });

  test('emits at most the closest countdowns in a second of many kills, and counts the others', async () => {
    const watched = await watch({ stallMs: null, countdown: 2 });
    const group = createMemoryGroup({ limitBytes: 32 * MIB });
    const countdowns = () =>
      watched.events.filter(
        (event): event is PressureCountdown =>
          event.type === 'pressure.countdown' && event.subject.path === group.cgroupPath,
      );
    // On a busy machine the kills may be further apart than a second, so that none is counted: then more are made.
    for (let storm = 0; storm < 10 && !countdowns().some(({ repeated }) => repeated > 0); storm++) {
      await oomStorm(6, { group, parallel: 3 });
      await sleep(200);
    }
    const said = countdowns();
    const tooSoon = said.filter((event, i) => {
      const before = said[i - 1];
      if (!before || event.fruitless_rounds > before.fruitless_rounds) return false;
      const apart = Number(BigInt(event.mono_ns) - BigInt(before.mono_ns)) / 1e6;
      return apart > 1 && apart < 999; // two kills at the same moment on two CPUs do not notice each other
    });
    expect(tooSoon).toEqual([]);
    expect(said.length).toBeGreaterThan(3);
    expect(said.reduce((sum, { repeated }) => sum + repeated, 0)).toBeGreaterThan(0);
    for (const { repeated, message } of said) expect(message.includes(`${repeated} more attempts`)).toBe(repeated > 0);
  });

  test('ends the episode of a cgroup that is removed under pressure', async () => {
    const watched = await watch({ ...sensitive, stallMs: null, coolDownMs: 60_000 });
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    await thrash(group, 1);
    expect(watched.levels(group).at(-1)?.level).toBe('low');
    group.remove();
    await until(() => watched.levels(group).at(-1)?.level === 'normal', 'the end of the episode');
  });

  test('reports only the requested cgroups, and the system', async () => {
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    const other = createMemoryGroup({ limitBytes: 24 * MIB });
    const watched = await watch({ ...sensitive, stallMs: 0, cgroups: [group.cgroupPath] });
    await Promise.all([thrash(group, 1), thrash(other, 1)]);
    expect(watched.stalls(group).length).toBeGreaterThan(5);
    expect(watched.stalls(other)).toEqual([]);
    const said = watched.events.flatMap((event) => (event.type === 'pressure.level' ? [event.subject.path] : []));
    expect(said.every((path) => path === '/' || path === group.cgroupPath)).toBe(true);
  });

  test.each(['tp_btf', 'raw_tp'] as const)('reports stalls with the hook %s', async (backend) => {
    const watched = await watch({ ...sensitive, stallMs: 0, backend });
    const hook = watched.monitor.started.hooks.find((state) => state.hook === 'memcg_reclaim_begin');
    expect(hook?.backend).toBe(backend);
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    await thrash(group, 1);
    expect(watched.stalls(group).length).toBeGreaterThan(10);
    await until(() => watched.levels(group).at(-1)?.level === 'normal', 'the end of the episode');
  });

  test('delivers kills and pressure in one order when a tracer monitors both', async () => {
    await using tracer = await openTracer({ pressure: { ...sensitive, stallMs: 0 } });
    const events: Event[] = [];
    tracer.events$.subscribe((event) => events.push(event));
    const group = createMemoryGroup({ limitBytes: 32 * MIB });
    await thrash(group, 0.5);
    const kill = await oomKill({ group });
    await until(() => events.some((event) => event.type === 'oom.kill' && event.victim.pid === kill.pid), 'the kill');
    const seqs = events.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(new Set(events.map(({ type }) => type)).has('pressure.stall')).toBe(true);
    expect(tracer.started.hooks.some(({ hook }) => hook === 'pressure.sched_switch')).toBe(true);
  });

  test('keeps what it knows of the stalls of a task from stall to stall, and deletes it when the task exits', async () => {
    const loaded = loadPressure(pressureConfig({}));
    try {
      const stalls = loaded.object.map('stalls'); // by tid
      const tids = () => stalls.entries().map(({ key }) => key.readUInt32LE(0));
      const group = createMemoryGroup({ limitBytes: 24 * MIB });
      const ended = thrash(group, 1, '--threads', '4');
      const seen = new Set<number>();
      await until(() => {
        for (const tid of tids()) seen.add(tid);
        const threads = group.procs().flatMap((pid) => readdirSync(`/proc/${pid}/task`).map(Number));
        return threads.length >= 4 && threads.filter((tid) => seen.has(tid)).length >= 4;
      }, 'an element for each thread');
      await ended;
      expect(tids().filter((tid) => !existsSync(`/proc/${tid}`))).toEqual([]);
      expect([...seen].some((tid) => !existsSync(`/proc/${tid}`))).toBe(true);
    } finally {
      loaded.close();
    }
  });

  test('leaves no resource behind, with two monitors at a time and one after another', async () => {
    const [a, b] = [await watch({ stallMs: 0 }), await watch({ stallMs: 0 })];
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    await thrash(group, 0.5);
    a.monitor.close();
    const had = a.stalls(group).length;
    await thrash(group, 0.5);
    expect(had).toBeGreaterThan(5);
    expect(a.stalls(group).length).toBe(had);
    expect(b.stalls(group).length).toBeGreaterThan(had);
    expect(a.monitor.totals()).toEqual([]);
  });
});

describe('bad options', () => {
  test.each([
    [{ windows: [] }, 'windows: expected one to three, got 0.'],
    [{ windows: [{ ms: 1 }] }, 'windows[0].ms: expected 2 to 10000, got 1.'],
    [{ windows: [{ ms: 100 }, { ms: 10 }] }, 'windows: expected the shortest first, got 100, 10.'],
    [
      { windows: [{ ms: 10, some: { low: 2 } }] },
      'windows[0].some.low: expected a share of more than 0, at most 1, got 2.',
    ],
    [
      { windows: [{ ms: 10, full: { low: 0.5, medium: 0.4 } }] },
      'windows[0].full.medium: expected no less than the level below it, 0.5, got 0.4.',
    ],
    [{ stallMs: -1 }, 'stallMs: expected 0 to 3600000, got -1.'],
    [{ hysteresis: 1 }, 'hysteresis: expected 0 to 0.9, got 1.'],
    [{ ringBytes: 1000 }, 'ringBytes: expected a power of two, at least 65536, got 1000.'],
    [{ stallMs: Number.NaN }, 'stallMs: expected 0 to 3600000, got NaN.'],
  ] as [PressureOptions, string][])('%j', async (options, message) => {
    await expect(openPressure(options)).rejects.toMatchObject({ code: 'USAGE', message });
  });
});

describe('PSI', () => {
  test('is read as averages, and fires a trigger', { timeout: 30_000 }, async () => {
    expect(readPsi()?.some.total_ns).toBeGreaterThanOrEqual(0);
    expect(readPsi('/no such group')).toBeUndefined();
    const trigger = openPsiTrigger({ kind: 'some', stallMs: 1, windowMs: 2000 });
    expect(trigger.used).toEqual({ kind: 'some', stallMs: 1, windowMs: 2000, adapted: null });
    const fired: bigint[] = [];
    trigger.fired$.subscribe({ next: ({ mono_ns }) => fired.push(BigInt(mono_ns)), complete: () => fired.push(0n) });
    const group = createMemoryGroup({ limitBytes: 24 * MIB });
    await thrash(group, 5, '--threads', '4');
    trigger.close();
    trigger.close();
    expect(fired.length).toBeGreaterThan(1);
    expect(fired.at(-1)).toBe(0n);
  });

  test('gets an allowed window in place of one that needs a privilege, and a message says so', () => {
    const status = readFileSync('/proc/self/status', 'latin1');
    const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]}`);
    const trigger = openPsiTrigger({ kind: 'full', stallMs: 50, windowMs: 500 });
    trigger.close();
    if ((mask >> 24n) & 1n) expect(trigger.used.windowMs).toBe(500);
    else {
      expect(trigger.used).toMatchObject({ stallMs: 200, windowMs: 2000 });
      expect(trigger.used.adapted).toContain('CAP_SYS_RESOURCE');
    }
  });

  test.each([
    [{ kind: 'some', stallMs: 1, windowMs: 0 }, 'USAGE'],
    [{ kind: 'some', stallMs: 1, windowMs: 20_000 }, 'USAGE'],
    [{ kind: 'some', stallMs: 600, windowMs: 500 }, 'USAGE'],
    [{ kind: 'some', stallMs: 1, windowMs: 2000, cgroup: '/no such group' }, 'PSI_UNAVAILABLE'],
  ] as const)('%j is refused', (options, code) => {
    expect(() => openPsiTrigger(options)).toThrow(expect.objectContaining({ code }));
  });
});
