/** The armed target, its ranking, and its events. The processes are real; the machine and the arming are simulated. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { EnvelopeFactory } from '../../../src/events/envelope.ts';
import type { Armed } from '../../../src/guard/arming/armed.ts';
import type { Arming } from '../../../src/guard/arming/arming.ts';
import type { Fired } from '../../../src/guard/arming/fired.ts';
import { Standby } from '../../../src/guard/arming/standby.ts';
import { Announcer, live } from '../../../src/guard/ladder/announce.ts';
import { Health } from '../../../src/guard/ladder/health.ts';
import { Policy } from '../../../src/guard/rules/decide.ts';
import type { Rule } from '../../../src/guard/rules/rule.ts';
import { startTicksOf } from '../../../src/linux/process-reader.ts';
import { OomscopeError } from '../../../src/model/error.ts';
import type { Event } from '../../../src/model/events.ts';
import type { GuardRank } from '../../../src/model/guard.ts';
import type { SampledProcess } from '../../../src/model/sample.ts';
import { ProcessHandle } from '../../../src/process/process-handle.ts';
import { Turns } from '../../../src/process/turns.ts';
import { schemaErrors } from '../../schema.ts';
import { cgroup, detector, MIB, process_, rule, sample, self, step, system } from '../rules/world.ts';

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** Two processes. The first really holds about 250 MiB. */
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
/** The same with the cgroup /app, whose limit is as large as the memory of the system. */
const levelsOfCgroup = (ms: number, availableMib: number) => {
  const limit_bytes = system().total_bytes;
  const usage_bytes = limit_bytes - availableMib * MIB;
  return { ...levels(ms, 900), cgroups: [cgroup('/app', { usage_bytes, limit_bytes })] };
};

interface SetUp {
  /** The sample shows this much less memory for the first process than it really holds (MiB). */
  before?: number;
  /** How much more memory the first process holds than the second (MiB). */
  lead?: number;
  rank?: GuardRank;
  /** The error that arm() throws, by the number of the call. */
  fails?: (error: 'first' | 'later') => Error | undefined;
  adjustment?: Armed['adjustment'];
  when?: Rule['when'];
  /** How fast memory shrinks when the victim is armed (MiB/s). */
  growth?: number;
  /** How much of the memory of both processes is shared memory (MiB). */
  shared?: number;
  /** The rule watches the cgroup /app, which holds both processes, instead of the system. */
  inCgroup?: boolean;
  /** The kernel would kill /app as a whole, so that both processes are one victim. Needs `inCgroup`. */
  asGroup?: boolean;
}

/** A rule whose victim is armed when 150 MiB are available. */
async function setUp({
  before = 0,
  lead = 100,
  rank = 'badness',
  fails,
  adjustment = 'raised',
  when,
  growth,
  shared = 0,
  inCgroup = false,
  asGroup = false,
}: SetUp = {}) {
  const [first, second, real] = await pair();
  const claimed = real - before * MIB;
  const processes: SampledProcess[] = [
    { ...first, rss_bytes: claimed, shmem_bytes: shared * MIB },
    { ...second, rss_bytes: claimed - lead * MIB, shmem_bytes: shared * MIB },
  ];
  const levelsHere = (ms: number, availableMib: number) => {
    const now = (inCgroup ? levelsOfCgroup : levels)(ms, availableMib);
    return { ...now, cgroups: now.cgroups.map((one) => ({ ...one, oom_group: asGroup, oom_kills: machine.kills })) };
  };
  const armed: Armed[] = [];
  let attempts = 0;
  const fired$ = new Subject<Fired>();
  const arming = {
    fired$,
    arm(handle: unknown, condition: unknown) {
      const error = fails?.(attempts++ === 0 ? 'first' : 'later');
      if (error) throw error;
      const one = {
        handle,
        condition,
        adjustment,
        isArmed: true,
        raise() {},
        refresh: () => true,
        disarm: () => false,
      };
      one.disarm = () => {
        one.isArmed = false;
        return true;
      };
      armed.push(one as unknown as Armed);
      return one;
    },
    close() {},
  } as unknown as Arming;
  let responds: number | undefined;
  const taken: string[] = [];
  const response = { signalledByArming: (_: bigint, detail: string) => taken.push(detail) };
  /** A response runs in the system, with this process as its victim. */
  const respond = (pid: number | undefined) => {
    responds = pid;
  };
  const events: Event[] = [];
  const woken: true[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-standby-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'cgroup.kill')); // it cannot be written, as on a kernel without that file
  const on: Rule['on'] = inCgroup ? [{ kind: 'cgroup', glob: '/app' }] : [{ kind: 'system' }];
  const only = rule({ steps: [step('kill')], rank, on, ...(when && { when }) });
  const policy = new Policy({ rules: [only], killsPerMinute: 5, protect: [] }, self);
  const machine = {
    kills: 0,
    levels: () => levelsHere(0, 150),
    whole: (given = levelsHere(0, 150)) => ({ ...given, processes }),
    process: (pid: number) => processes.find((one) => one.pid === pid),
    kernelKills: () => machine.kills,
    killedByKernel: (): boolean | null => null,
    directoryOf: () => (inCgroup ? directory : undefined), // any directory has an inode
  };
  const announce = new Announcer('enforce', live(new EnvelopeFactory()), (event) => {
    expect(schemaErrors(event)).toEqual([]);
    events.push(event);
  });
  const health = new Health(announce);
  const onError = (error: unknown) => {
    throw error;
  };
  const standby = new Standby({
    arming,
    policy,
    machine,
    announce,
    health,
    raiseScore: true,
    turns: new Turns(),
    wake: () => woken.push(true),
    responding: (victim) => (victim.pid === responds ? response : undefined),
    onError,
  });
  onTestFinished(() => standby.close());
  const begin = levelsHere(0, 150);
  if (growth !== undefined) begin.system.growth_bytes_per_second = growth * MIB;
  expect(standby.update(begin)).toBe(true);
  const fired = { rule: only, cgroup: begin.cgroups[0], readings: [] };
  const standingRanking = (ms: number, availableMib: number) =>
    standby.standingRanking(fired, levelsHere(ms, availableMib))?.ranking.candidates[0]?.target;
  /** Simulates that the condition of the armed target is met. */
  const fire = (outcome: Fired['outcome'], error: string | null = null) => {
    const triggerNs = process.hrtime.bigint();
    const signalNs = outcome === 'signalled' ? triggerNs + 1000n : null;
    const times = { triggerNs, decidedNs: null, signalNs, triggerTid: 1, fruitlessRounds: 10 };
    fired$.next({ armed: armed.at(-1) as Armed, by: 'addon', outcome, error, ...times });
  };
  return {
    standby,
    machine,
    processes,
    pid: first.pid,
    real,
    armed,
    fire,
    events,
    standingRanking,
    respond,
    taken,
    woken,
  };
}

const endHolder = () => {
  const [holder] = children;
  holder?.kill('SIGKILL');
  return once(holder as ChildProcess, 'exit');
};
/** Tolerance (bytes): the process may use a little more memory between the two readings. */
const near = (bytes: number) => expect.closeTo(bytes, -7);
/** Long enough for a busy machine. */
const SOON = { timeout: 10_000 };
const types = (events: Event[]) => events.map(({ type }) => type);

describe('the ranking by which a target was armed', () => {
  test('stays valid while no other process can have become larger than the victim', async () => {
    const { pid, real, standingRanking } = await setUp();
    expect(standingRanking(100, 90)).toMatchObject({ pid, rss_bytes: near(real) });
    expect(standingRanking(100, 40)).toBeUndefined(); // 110 MiB went somewhere: the other may hold more by now
    expect(standingRanking(1000, 90)).toBeUndefined(); // too long ago
  });

  test('stays valid when the victim itself has taken the memory', async () => {
    const { pid, real, standingRanking } = await setUp({ before: 100, lead: 10 });
    expect(standingRanking(100, 45)).toMatchObject({ pid, rss_bytes: near(real) });
  });

  test('is invalid when the rule ranks by growth and another process may grow faster', async () => {
    const { pid, standingRanking } = await setUp({ rank: 'projected' });
    expect(standingRanking(200, 145)).toBeUndefined(); // 5 MiB in 0.2 s: 750 MiB in 30 s
    expect(standingRanking(300, 149.5)).toMatchObject({ pid });
  });

  test('is invalid when the victim has left the cgroup where memory is short, and then the next process is armed', async () => {
    const { standby, pid, processes, armed, standingRanking } = await setUp({ inCgroup: true });
    expect(standingRanking(100, 90)).toMatchObject({ pid });
    processes[0] = { ...(processes[0] as SampledProcess), cgroup: '/elsewhere' };
    expect(standingRanking(100, 90)).toBeUndefined();
    expect(standby.update(levelsOfCgroup(50, 150))).toBe(true); // the ranking is 50 ms old, and would stand otherwise
    expect(armed.map(({ handle, isArmed }) => [handle.pid, isArmed])).toEqual([
      [pid, false],
      [processes[1]?.pid, true],
    ]);
  });

  test('is made anew when the armed process holds less than half of what it held', async () => {
    const { standby, processes, armed, real } = await setUp({ before: -400 }); // it held 400 MiB more then
    expect(armed[0]?.condition.leastBytes).toBeCloseTo((real + 400 * MIB) / 2, -7);
    standby.update(levels(10, 150));
    expect(armed).toHaveLength(1);
    processes[0] = { ...(processes[0] as SampledProcess), rss_bytes: MIB };
    standby.update(levels(20, 150));
    expect(armed.map(({ handle, isArmed }) => [handle.pid, isArmed])).toEqual([
      [processes[0].pid, false],
      [processes[1]?.pid, true],
    ]);
  });

  test('is invalid when the victim has exited', async () => {
    const { standingRanking } = await setUp();
    await endHolder();
    expect(standingRanking(100, 140)).toBeUndefined();
  });
});

test.each([
  ['of a cgroup', { inCgroup: true }, 12],
  ['of a cgroup, whose memory is shared memory', { inCgroup: true, shared: 200 }, 3],
  ['of the system', { shared: 200 }, 10],
])('a target %s is signalled after a number of fruitless reclaims', async (_, options, rounds) => {
  const { armed } = await setUp(options);
  expect(armed.map(({ condition }) => condition.fruitlessRounds)).toEqual([rounds]);
});

describe('a target whose rule also asks whether memory shrinks', () => {
  const when = [detector({ name: 'available' }, '<=', 10), detector({ name: 'exhausted_in' }, '<=', 5)];
  const growing = (ms: number, availableMib: number, mibPerSecond: number) => {
    const { system: of, ...others } = levels(ms, availableMib);
    return { ...others, system: { ...of, growth_bytes_per_second: mibPerSecond * MIB } };
  };

  test('stays armed for a second while memory is short and does not shrink', async () => {
    const { standby, armed } = await setUp({ when, growth: 100 });
    const [target] = armed;
    expect(standby.update(growing(900, 150, 0))).toBe(true);
    expect(target?.isArmed).toBe(true);
    expect(standby.update(growing(950, 150, 100))).toBe(true); // it shrinks again
    expect(standby.update(growing(1900, 150, 0))).toBe(true);
    expect(armed).toHaveLength(1);
    expect(standby.update(growing(2000, 150, 0))).toBe(false);
    expect(target?.isArmed).toBe(false);
  });

  test('is disarmed at once when memory is not short any more', async () => {
    const { standby, armed } = await setUp({ when, growth: 100 });
    expect(standby.update(growing(100, 500, 0))).toBe(false);
    expect(armed[0]?.isArmed).toBe(false);
  });
});

describe('a target that fires', () => {
  test('is announced with its plan, the signal and the result, and counts for the budget', async () => {
    const { fire, events, pid } = await setUp();
    fire('signalled');
    await endHolder();
    await expect.poll(() => types(events), SOON).toEqual(['guard.plan', 'guard.action', 'guard.result']);
    expect(events).toMatchObject([
      { victim: { pid } },
      { action: 'kill', outcome: 'done', detail: 'armed: signalled by addon' },
      { outcome: 'killed', kernel_killed_too: false, trigger_to_signal_ns: 1000, freed_bytes: expect.any(Number) },
    ]);
  });

  test('is announced even if it is disarmed before the record of its signal arrives', async () => {
    const { standby, fire, pid, events } = await setUp();
    expect(standby.update(levels(50, 900))).toBe(false); // enough memory again: disarmed
    fire('signalled');
    await endHolder();
    await expect.poll(() => types(events), SOON).toEqual(['guard.plan', 'guard.action', 'guard.result']);
    expect(events[0]).toMatchObject({ victim: { pid } });
  });

  test('whose signal is refused is reported as survived, and its place can be armed again at once', async () => {
    const { standby, fire, events, armed } = await setUp();
    fire('refused', 'EPERM');
    expect(events).toMatchObject([
      { type: 'guard.plan' },
      { action: 'kill', outcome: 'failed', detail: 'armed: the signal was refused: EPERM' },
      { outcome: 'survived', message: expect.stringContaining('is still alive: the signal was refused: EPERM.') },
    ]);
    // The next ranking arms the process again. The same refusal is not announced each time.
    standby.update(levels(20_000, 150));
    expect(armed).toHaveLength(2);
    fire('refused', 'EPERM');
    expect(events).toHaveLength(3);
  });

  test('that is already exiting is reported as killed by the kernel, or as exited by itself', async () => {
    const { fire, events, machine } = await setUp();
    machine.kills = 1;
    machine.killedByKernel = () => true;
    fire('dying');
    await endHolder();
    await expect.poll(() => events.at(-1), SOON).toMatchObject({ outcome: 'kernel_first', kernel_killed_too: true });
    const other = await setUp();
    other.fire('gone');
    children.delete([...children][0] as ChildProcess);
    children.delete([...children][0] as ChildProcess);
    await endHolder();
    await expect
      .poll(() => other.events.at(-1), SOON)
      .toMatchObject({ outcome: 'recovered', message: expect.stringMatching(/exited before it was signalled\.$/) });
  });

  test.each([
    [false, 'another process on this machine'],
    [null, 'a process on this machine'],
  ])(
    'that exits by itself is not said to be killed by the kernel, which has killed another (%s)',
    async (by, other) => {
      const { fire, events, machine } = await setUp();
      machine.kills = 1;
      machine.killedByKernel = () => by;
      fire('dying');
      await endHolder();
      const message = expect.stringContaining(
        `exited before it was signalled, and the kernel has killed ${other} meanwhile.`,
      );
      await expect
        .poll(() => events.at(-1), SOON)
        .toMatchObject({ outcome: 'recovered', kernel_killed_too: true, message });
    },
  );

  test('takes the other processes of its victim with it, and the messages tell which one was signalled when', async () => {
    const { fire, events, pid } = await setUp({ inCgroup: true, asGroup: true });
    const other = [...children].at(-1) as ChildProcess;
    const otherEnd = once(other, 'exit');
    fire('signalled');
    expect(await otherEnd).toEqual([null, 'SIGKILL']);
    await endHolder();
    await expect.poll(() => types(events).at(-1), SOON).toBe('guard.result');
    expect(events).toMatchObject([
      { victim: { takes: 'cgroup', pid, processes: 2 } },
      {
        message: `Sent SIGKILL to process-${pid} (pid ${pid}, the first of the 2 processes of /app): armed: signalled by addon.`,
      },
      { message: 'Sent SIGKILL to the 2 processes of /app: 1 more, by pidfd.' },
      { message: expect.stringMatching(/^the 2 processes of \/app has exited/) },
    ]);
  });

  test('leaves a process of its victim alone that has left the cgroup since, and names the one that was signalled', async () => {
    const { fire, events, pid, processes } = await setUp({ inCgroup: true, asGroup: true });
    const other = [...children].at(-1) as ChildProcess;
    processes[1] = { ...(processes[1] as SampledProcess), cgroup: '/elsewhere' };
    fire('signalled');
    await endHolder();
    await expect.poll(() => types(events), SOON).toEqual(['guard.plan', 'guard.action', 'guard.result']);
    expect(events.at(-1)?.message).toContain(
      `process-${pid} (pid ${pid}, the first of the 2 processes of /app) has exited`,
    );
    expect([other.exitCode, other.signalCode]).toEqual([null, null]);
  });

  test('that does not exit is reported as survived with the reason, and another process can be armed', async () => {
    const timeouts: AbortController[] = [];
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
      timeouts.push(new AbortController());
      return timeouts.at(-1)?.signal as AbortSignal;
    });
    onTestFinished(() => timeout.mockRestore());
    const { standby, processes, armed, fire, events } = await setUp();
    fire('signalled'); // the process is not really sent a signal
    standby.update(levels(20_000, 150));
    expect(armed).toHaveLength(1);
    timeouts[0]?.abort();
    await expect
      .poll(() => events.at(-1), SOON)
      .toMatchObject({ type: 'guard.result', outcome: 'survived', stuck: { state: 'S', memory_falling: false } });
    standby.update(levels(40_000, 150));
    expect(armed.map(({ handle }) => handle.pid)).toEqual(processes.map(({ pid }) => pid));
  });

  test('is followed by no other target while it is dying, also before the record of its signal arrives', async () => {
    const { standby, processes, pid, armed, fire, events } = await setUp();
    processes[0] = { ...(processes[0] as SampledProcess), dying: true };
    expect(standby.update(levels(20_000, 150))).toBe(true);
    expect(armed.map(({ handle, isArmed }) => [handle.pid, isArmed])).toEqual([[pid, true]]);
    fire('signalled');
    await endHolder();
    await expect.poll(() => types(events), SOON).toEqual(['guard.plan', 'guard.action', 'guard.result']);
    expect(events[0]).toMatchObject({ victim: { pid } });
  });

  test('that has given up its memory is not killed, and a new ranking is made at once', async () => {
    const { standby, processes, armed, fire, events, woken } = await setUp();
    processes[0] = { ...(processes[0] as SampledProcess), rss_bytes: MIB };
    fire('shrunk');
    expect([events, woken]).toEqual([[], [true]]);
    expect(armed[0]?.isArmed).toBe(false);
    expect(standby.update(levels(10, 150))).toBe(true); // 10 ms after the last ranking
    expect(armed.map(({ handle }) => handle.pid)).toEqual(processes.map(({ pid }) => pid));
  });

  test('that has given up its memory, and is still the first one, is armed however little it holds', async () => {
    const { standby, armed, fire } = await setUp();
    fire('shrunk');
    standby.update(levels(10, 150));
    expect(armed.map(({ condition }) => (condition.leastBytes ?? 0) > 0)).toEqual([true, false]);
    standby.update(levels(20_000, 150));
    expect(armed.map(({ condition }) => (condition.leastBytes ?? 0) > 0)).toEqual([true, false, true]);
  });

  test('is followed by no other target while its shared memory is not free, although its address space is gone', async () => {
    const { standby, processes, armed } = await setUp({ shared: 200 });
    processes[0] = { ...(processes[0] as SampledProcess), dying: true, rss_bytes: 0 };
    standby.update(levels(20_000, 150));
    expect(armed.map(({ isArmed }) => isArmed)).toEqual([true]);
    processes[0] = { ...processes[0], state: 'Z' };
    standby.update(levels(20_200.1, 150));
    expect(armed).toHaveLength(2);
  });

  test('is disarmed while another process is dying that frees as much, and armed again soon afterwards', async () => {
    const { standby, processes, pid, armed } = await setUp();
    processes.push({ ...process_(999_999_999), rss_bytes: 300 * MIB, dying: true });
    standby.update(levels(20_000, 150));
    expect(armed.map(({ isArmed }) => isArmed)).toEqual([false]);
    processes.pop();
    standby.update(levels(20_200.1, 150));
    expect(armed.map(({ handle, isArmed }) => [handle.pid, isArmed])).toEqual([
      [pid, false],
      [pid, true],
    ]);
  });

  test('that a running response has already signalled produces no events', async () => {
    const { standby, fire, events, armed } = await setUp();
    standby.update(levels(50, 150), new Set(['']));
    fire('dying');
    expect([types(events), armed.length]).toEqual([[], 1]);
  });

  test('that is the victim of a running response is reported by that response alone', async () => {
    const { standby, fire, events, armed, respond, taken, pid } = await setUp();
    respond(pid);
    standby.update(levels(50, 150), new Set(['']));
    fire('signalled');
    expect([types(events), taken]).toEqual([[], ['armed: signalled by addon']]);
    await endHolder();
    await expect.poll(() => armed[0]?.isArmed, SOON).toBe(false);
    expect(events).toEqual([]);
  });

  test('that does not exit is reported as abandoned when the standby is closed', async () => {
    const { standby, fire, events } = await setUp();
    fire('signalled');
    await standby.close();
    expect(events.at(-1)).toMatchObject({ type: 'guard.result', outcome: 'abandoned' });
  });
});

describe('an arming that fails', () => {
  test('is announced once, and once more when it works again', async () => {
    const refusal = new OomscopeError('NOT_PERMITTED', 'The map is full: EPERM.');
    let works = false;
    const { standby, events } = await setUp({ fails: () => (works ? undefined : refusal) });
    const status = { type: 'guard.status', part: 'arming', state: 'failing', error: 'The map is full: EPERM.' };
    expect(events).toMatchObject([{ ...status, failures: 1, severity: 'warning' }]);
    expect(events[0]?.message).toBe(
      'The guard cannot arm the likely victim: The map is full: EPERM. It continues without arming.',
    );
    standby.update(levels(20_000, 150));
    expect(events).toHaveLength(1);
    works = true;
    standby.update(levels(40_000, 150));
    expect(events[1]).toMatchObject({ ...status, state: 'working', failures: 2, severity: 'info' });
    expect(events[1]?.message).toBe('The guard can arm the likely victim again, after 2 failures.');
  });

  test('because the process has exited is not announced as a failure', async () => {
    const { events } = await setUp({ fails: () => new OomscopeError('PROCESS_GONE', 'It has exited.') });
    expect(events).toEqual([]);
  });

  test('is announced when only the raising of oom_score_adj is refused, and the target is still armed', async () => {
    const { events, armed } = await setUp({ adjustment: { refused: 'EACCES' } });
    expect(events).toMatchObject([{ type: 'guard.status', part: 'raising_score', state: 'failing', error: 'EACCES' }]);
    expect(armed).toHaveLength(1);
  });
});
