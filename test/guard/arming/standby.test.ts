/** What whoever is armed spares the guard when its rule fires. The processes are real; the machine and the arming are made up. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Subject } from 'rxjs';
import { afterEach, expect, test } from 'vitest';
import { EnvelopeFactory } from '../../../src/events/envelope.ts';
import type { Armed } from '../../../src/guard/arming/armed.ts';
import type { Arming, Fired } from '../../../src/guard/arming/arming.ts';
import { Standby } from '../../../src/guard/arming/standby.ts';
import { live } from '../../../src/guard/guard.ts';
import { Announcer } from '../../../src/guard/ladder/announce.ts';
import { Policy } from '../../../src/guard/rules/decide.ts';
import { startTicksOf } from '../../../src/linux/process-reader.ts';
import type { Event } from '../../../src/model/events.ts';
import type { GuardRank } from '../../../src/model/guard.ts';
import type { SampledProcess } from '../../../src/model/sample.ts';
import { ProcessHandle } from '../../../src/process/process-handle.ts';
import { MIB, process_, rule, sample, self, step, system } from '../rules/world.ts';

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** Two that live; the first really holds some 250 MiB. */
async function pair(): Promise<[SampledProcess, SampledProcess, realBytes: number]> {
  const holds = `globalThis.kept = Buffer.alloc(200 * 2 ** 20, 1); console.log('ready'); setInterval(() => {}, 1e6)`;
  const holder = spawn(process.execPath, ['-e', holds], { stdio: ['ignore', 'pipe', 'inherit'] });
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
  for (const child of [holder, sleeper]) children.add(child);
  await once(holder.stdout, 'data');
  const [first, second] = [holder, sleeper].map(({ pid = 0 }) =>
    process_(pid, { start_ticks: startTicksOf(pid) as number }),
  );
  if (!first || !second) throw new Error('unreachable');
  using handle = ProcessHandle.open({ pid: first.pid, startTicks: first.start_ticks });
  return [first, second, handle.state()?.rssBytes ?? 0];
}

const levels = (ms: number, availableMib: number) =>
  sample(ms, { system: system({ available_bytes: availableMib * MIB, anon_bytes: 900 * MIB }) });

/** Armed when 150 MiB were available. @param before what the first was taken to hold less than it does @param lead MiB */
async function scene({ before = 0, lead = 100, rank = 'badness' as GuardRank } = {}) {
  const [first, second, real] = await pair();
  const claimed = real - before * MIB;
  const processes = [
    { ...first, rss_bytes: claimed },
    { ...second, rss_bytes: claimed - lead * MIB },
  ];
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
  const only = rule({ steps: [step('kill')], rank });
  const policy = new Policy({ rules: [only], killsPerMinute: 5, protect: [] }, self);
  const senses = {
    levels: () => levels(0, 150),
    whole: (given = levels(0, 150)) => ({ ...given, processes }),
    process: (pid: number) => processes.find((one) => one.pid === pid),
    kernelKills: () => 0,
    directoryOf: () => undefined,
  };
  const announce = new Announcer('enforce', live(new EnvelopeFactory()), (event) => events.push(event));
  const standby = new Standby({ arming: made, policy, senses, announce, raiseScore: true });
  expect(standby.look(levels(0, 150))).toBe(true);
  const fired = { rule: only, cgroup: undefined, readings: [] };
  const standingRanking = (ms: number, availableMib: number) =>
    standby.standingRanking(fired, levels(ms, availableMib))?.ranking.candidates[0]?.target;
  return { standby, pid: first.pid, real, armed, fired$, events, standingRanking };
}

test('the ranking stands while nobody can have overtaken', async () => {
  const { standby, pid, real, standingRanking } = await scene();
  expect(standingRanking(100, 90)).toMatchObject({ pid, rss_bytes: real });
  expect(standingRanking(100, 40)).toBeUndefined(); // 110 MiB went somewhere: the other may have more by now
  expect(standingRanking(1000, 90)).toBeUndefined(); // too long ago
  standby.close();
});

test('it stands when it was the victim itself that took the memory', async () => {
  const { standby, pid, real, standingRanking } = await scene({ before: 100, lead: 10 });
  expect(standingRanking(100, 45)).toMatchObject({ pid, rss_bytes: real });
  standby.close();
});

test('where growth counts, what others took since may be their rate', async () => {
  const { standby, pid, standingRanking } = await scene({ rank: 'projected' });
  expect(standingRanking(200, 145)).toBeUndefined(); // 5 MiB in 0.2 s: 750 MiB in 30 s
  expect(standingRanking(300, 149.5)).toMatchObject({ pid });
  standby.close();
});

test('it does not stand for one who is gone', async () => {
  const { standby, standingRanking } = await scene();
  const [holder] = children;
  holder?.kill('SIGKILL');
  await once(holder as ChildProcess, 'exit');
  expect(standingRanking(100, 140)).toBeUndefined();
  standby.close();
});

test('a signal that was on its way when it was disarmed is told of', async () => {
  const { standby, armed, pid, events, fired$ } = await scene();
  expect(standby.look(levels(50, 900))).toBe(false); // enough again: disarmed
  const triggerNs = process.hrtime.bigint();
  const [child] = children;
  child?.kill('SIGKILL');
  const times = { triggerNs, decidedNs: null, signalNs: triggerNs + 1000n, triggerTid: 1, fruitlessRounds: 10 };
  fired$.next({ armed: armed[0] as Armed, by: 'addon', outcome: 'signalled', error: null, ...times });
  await expect.poll(() => events.map(({ type }) => type)).toEqual(['guard.plan', 'guard.action', 'guard.result']);
  expect(events[0]).toMatchObject({ victim: { pid } });
  standby.close();
});
