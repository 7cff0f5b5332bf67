/** What whoever is armed spares the guard when its rule fires. The processes are real; the machine and the arming are made up. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Subject } from 'rxjs/internal/Subject';
import { afterEach, expect, test } from 'vitest';
import { Announcer } from '../../src/actions/announce.ts';
import type { Armed } from '../../src/actions/armed.ts';
import type { Arming, Fired } from '../../src/actions/arming.ts';
import { live } from '../../src/actions/guard.ts';
import { Vanguard } from '../../src/actions/vanguard.ts';
import { startOf } from '../../src/actions/victim.ts';
import type { Event } from '../../src/model/events.ts';
import type { SampledProcess } from '../../src/model/sample.ts';
import { Policy } from '../../src/policy/decide.ts';
import { Envelopes } from '../../src/sources/envelope.ts';
import { MIB, process_, rule, sample, self, step, system } from '../policy/world.ts';

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

function sleeper(rssMib: number): SampledProcess {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  children.add(child);
  const pid = child.pid as number;
  return process_(pid, { comm: 'sleep', start_ticks: startOf(pid) as string, rss_bytes: rssMib * MIB });
}

const levels = (ms: number, availableMib: number) =>
  sample(ms, { system: system({ available_bytes: availableMib * MIB, anon_bytes: 900 * MIB }) });

/** 300 MiB beside 200 MiB, armed when 150 MiB were available. */
function scene() {
  const processes = [sleeper(300), sleeper(200)] as [SampledProcess, SampledProcess];
  const armed: Armed[] = [];
  const fired$ = new Subject<Fired>();
  const made = {
    fired$,
    arm(handle: unknown, condition: unknown) {
      const one = { handle, condition, isArmed: true, refresh: () => true, disarm: () => true } as unknown as Armed;
      armed.push(one);
      return one;
    },
    close() {},
  } as unknown as Arming;
  const events: Event[] = [];
  const only = rule({ steps: [step('kill')] });
  const policy = new Policy({ rules: [only], killsPerMinute: 5, protect: [] }, self);
  const now = [...processes];
  const senses = {
    levels: () => levels(0, 150),
    whole: (given = levels(0, 150)) => ({ ...given, processes: [...now] }),
    process: (pid: number) => now.find((one) => one.pid === pid),
    kernelKills: () => 0,
    directoryOf: () => undefined,
  };
  const announce = new Announcer('enforce', live(new Envelopes()), (event) => events.push(event));
  const vanguard = new Vanguard({ arming: made, policy, senses, announce, raiseScore: true });
  expect(vanguard.look(levels(0, 150))).toBe(true);
  const fired = { rule: only, cgroup: undefined, readings: [] };
  const foremost = (ms: number, availableMib: number) =>
    vanguard.foremost(fired, levels(ms, availableMib))?.ranking.candidates[0]?.target;
  return { vanguard, processes, now, armed, fired$, events, foremost };
}

test('the ranking stands while nobody can have overtaken', () => {
  const { vanguard, processes, now, foremost } = scene();
  const [worst] = processes;
  expect(foremost(100, 90)).toMatchObject({ pid: worst.pid, rss_bytes: 300 * MIB });
  expect(foremost(100, 40)).toBeUndefined(); // 110 MiB went somewhere: the other may have 310 by now
  now[0] = { ...worst, rss_bytes: 400 * MIB };
  expect(foremost(100, 40)).toMatchObject({ pid: worst.pid, rss_bytes: 400 * MIB }); // it was the worst itself
  expect(foremost(1000, 90)).toBeUndefined(); // too long ago
  vanguard.close();
});

test('it does not stand for one who is dying, gone, or another by now', () => {
  for (const change of [{ dying: true }, { start_ticks: '1' }, undefined]) {
    const { vanguard, processes, now, foremost } = scene();
    if (change) now[0] = { ...processes[0], ...change };
    else now.shift();
    expect(foremost(100, 140)).toBeUndefined();
    vanguard.close();
  }
});

test('a signal that was on its way when it was disarmed is told of', async () => {
  const { vanguard, armed, processes, events, fired$ } = scene();
  expect(vanguard.look(levels(50, 900))).toBe(false); // enough again: disarmed
  const triggerNs = process.hrtime.bigint();
  const [child] = children;
  child?.kill('SIGKILL');
  const times = { triggerNs, decidedNs: null, signalNs: triggerNs + 1000n, triggerTid: 1, fruitlessRounds: 10 };
  fired$.next({ armed: armed[0] as Armed, by: 'addon', outcome: 'signalled', error: null, ...times });
  await expect.poll(() => events.map(({ type }) => type)).toEqual(['guard.plan', 'guard.action', 'guard.result']);
  expect(events[0]).toMatchObject({ victim: { pid: processes[0].pid } });
  vanguard.close();
});
