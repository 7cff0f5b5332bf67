/**
 * What the guard checks again between the choice of a victim and the signal, and what it reports when it cannot sample.
 * The processes are real. The samples of the machine are simulated, so that a test can change them at the right moment.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Guard } from '../../src/guard/guard.ts';
import { diagnose } from '../../src/guard/ladder/diagnose.ts';
import type { MachineView } from '../../src/guard/ladder/machine-view.ts';
import type { Rule, Step } from '../../src/guard/rules/rule.ts';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import type { Event } from '../../src/model/events.ts';
import type { SampledProcess } from '../../src/model/sample.ts';
import { schemaErrors } from '../schema.ts';
import { cgroup, comm, detector, GIB, process_, rule, sample, step, system } from './rules/world.ts';

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

function sleeper(): SampledProcess {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  children.add(child);
  const pid = child.pid as number;
  return process_(pid, { comm: 'sleep', start_ticks: startTicksOf(pid) as number });
}

const isAlive = (pid: number) =>
  [...children].find((child) => child.pid === pid)?.exitCode === null &&
  [...children].find((child) => child.pid === pid)?.signalCode === null;

/** A simulated machine with these processes. Its memory is short until a test changes that. */
class MadeUp implements MachineView {
  short = true;
  processes: SampledProcess[];
  /** The process that the guard reads when it samples the victim again. */
  again: (process: SampledProcess) => SampledProcess | undefined = (process) => process;

  constructor(...processes: SampledProcess[]) {
    this.processes = processes;
  }
  levels() {
    const cgroups = [cgroup('/app', this.short ? {} : { usage_bytes: 0 })];
    return sample(performance.now(), { system: system(this.short ? {} : { available_bytes: GIB }), cgroups });
  }
  whole(levels = this.levels()) {
    return { ...levels, processes: this.processes };
  }
  process(pid: number) {
    const process = this.processes.find((one) => one.pid === pid);
    return process && this.again(process);
  }
  kernelKills() {
    return 0;
  }
  directoryOf: MachineView['directoryOf'] = () => undefined;
}

function guardOf(machine: MadeUp, steps: Step[], coolDownMs = 60_000, more: Partial<Rule> = {}): Guard {
  const policy = { rules: [rule({ steps, coolDownMs, ...more })], killsPerMinute: 5, protect: [comm('^precious$')] };
  const hook = async () => ({ outcome: 'done' as const, detail: '' });
  return new Guard({ mode: 'enforce', policy, machine, hook });
}

async function guarded(
  machine: MadeUp,
  steps: Step[],
  ms = 400,
  coolDownMs?: number,
  more?: Partial<Rule>,
): Promise<Event[]> {
  const events: Event[] = [];
  const guard = guardOf(machine, steps, coolDownMs, more);
  guard.events$.subscribe((event) => events.push(event));
  guard.start();
  await sleep(ms);
  await guard.close();
  expect(events.flatMap(schemaErrors)).toEqual([]);
  return events;
}

const types = (events: Event[]) => events.map((event) => event.type);

test('kills the victim and no other process', async () => {
  const [worst, other] = [sleeper(), sleeper()];
  const machine = new MadeUp({ ...worst, rss_bytes: 2 * other.rss_bytes }, other);
  const events = await guarded(machine, [step('kill', { waitMs: 1000 })]);
  expect(types(events).slice(0, 2)).toEqual(['guard.plan', 'guard.action']);
  expect([isAlive(worst.pid), isAlive(other.pid)]).toEqual([false, true]);
});

test('kills no process when memory is no longer short', async () => {
  const machine = new MadeUp(sleeper());
  const steps = [step('notify', { waitMs: 50 }), step('kill', { waitMs: 1000 })];
  const events: Event[] = [];
  const guard = guardOf(machine, steps);
  guard.events$.subscribe((event) => {
    events.push(event);
    if (event.type === 'guard.plan') machine.short = false;
  });
  guard.start();
  const recovered = { type: 'guard.result', outcome: 'recovered' };
  await vi.waitFor(() => expect(events.at(-1)).toMatchObject(recovered), { timeout: 20_000 });
  await guard.close();
  expect(events.flatMap(schemaErrors)).toEqual([]);
  expect(events.at(-1)).toMatchObject(recovered);
  expect(isAlive(machine.processes[0]?.pid ?? 0)).toBe(true);
});

test('does not signal the victim when it has executed another program since it was chosen', async () => {
  const machine = new MadeUp(sleeper());
  machine.again = (process) => ({ ...process, comm: 'precious' });
  const events = await guarded(machine, [step('kill', { waitMs: 1000 })]);
  expect(events.slice(0, 2)).toMatchObject([
    { type: 'guard.plan' },
    { type: 'guard.skipped', reason: 'victim_changed', detail: 'protected: comm ^precious$' },
  ]);
  expect(isAlive(machine.processes[0]?.pid ?? 0)).toBe(true);
});

test('does not signal the victim when it has given up its memory since it was chosen', async () => {
  const machine = new MadeUp(sleeper());
  machine.again = (process) => ({ ...process, rss_bytes: process.rss_bytes / 4 });
  const events = await guarded(machine, [step('kill', { waitMs: 1000 })]);
  expect(events.slice(0, 2)).toMatchObject([
    { type: 'guard.plan' },
    { type: 'guard.skipped', reason: 'victim_changed', detail: expect.stringContaining(' for which it was chosen') },
  ]);
  expect(isAlive(machine.processes[0]?.pid ?? 0)).toBe(true);
});

describe('a victim that has moved to another cgroup since it was chosen', () => {
  /** A guard of the cgroup /app, in which `mover` ranks first until it is read again. */
  async function afterMove(to: string, more: Partial<Rule> = {}) {
    const [mover, other] = [sleeper(), sleeper()];
    const machine = new MadeUp({ ...mover, rss_bytes: 2 * other.rss_bytes }, other);
    machine.again = (process) => {
      if (process.pid !== mover.pid) return process;
      // The sampler keeps what it has read.
      const [first, ...others] = machine.processes;
      const now = { ...(first as SampledProcess), cgroup: to };
      machine.processes = [now, ...others];
      return now;
    };
    const steps = [step('kill', { waitMs: 1000 })];
    const events = await guarded(machine, steps, 600, undefined, { on: [{ kind: 'cgroup', glob: '/app' }], ...more });
    return { events, mover, other };
  }

  test('is not signalled, and the next choice knows where it is', async () => {
    const { events, mover, other } = await afterMove('/elsewhere');
    expect(events.slice(0, 3)).toMatchObject([
      { type: 'guard.plan', victim: { pid: mover.pid } },
      {
        type: 'guard.skipped',
        reason: 'victim_changed',
        detail: `sleep (pid ${mover.pid}) has moved from /app to /elsewhere`,
      },
      { type: 'guard.plan', victim: { pid: other.pid } },
    ]);
    expect([isAlive(mover.pid), isAlive(other.pid)]).toEqual([true, false]);
  });

  test('is killed if it is still below the cgroup where memory is short', async () => {
    const { events, mover, other } = await afterMove('/app/below');
    expect(events[1]).toMatchObject({ type: 'guard.action', target: { pid: mover.pid }, outcome: 'done' });
    expect([isAlive(mover.pid), isAlive(other.pid)]).toEqual([false, true]);
  });

  test('is not taken for the cgroup that it has left, where that cgroup would be killed as a whole', async () => {
    const { events, other } = await afterMove('/elsewhere', { on: [{ kind: 'system' }], unit: 'cgroup' });
    expect(events.slice(0, 3)).toMatchObject([
      { victim: { takes: 'cgroup', cgroup: '/app', processes: 2 } },
      { reason: 'victim_changed' },
      { victim: { takes: 'cgroup', cgroup: '/elsewhere', processes: 1 } },
    ]);
    expect(isAlive(other.pid)).toBe(true);
  });
});

test('signals no process when another process reuses the pid of the victim', async () => {
  const bystander = sleeper();
  const machine = new MadeUp({ ...bystander, start_ticks: bystander.start_ticks - 1000 });
  const events = await guarded(machine, [step('kill', { waitMs: 1000 })]);
  expect(events[1]).toMatchObject({ type: 'guard.skipped', reason: 'victim_changed' });
  expect(isAlive(bystander.pid)).toBe(true);
});

test('reports why a victim has not exited after the signal', async () => {
  const victim = sleeper();
  process.kill(victim.pid, 'SIGSTOP');
  expect(await diagnose(victim.pid)).toMatchObject({
    state: 'T',
    memory_falling: false,
    verdict: 'The process is stopped or traced.',
  });
  const machine = new MadeUp(victim);
  // A stopped process cannot handle SIGTERM, and this ladder has no further step.
  const events = await guarded(machine, [step('term', { waitMs: 50 })]);
  const result = events.find(({ type }) => type === 'guard.result');
  expect(result).toMatchObject({ outcome: 'survived', stuck: { state: 'T' } });
  expect((await diagnose(2 ** 22 + 1)).verdict).toBe('The process has exited.');
});

test('chooses the same process again when it has ignored SIGTERM, and not an innocent one', async () => {
  const deaf = spawn('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.add(deaf);
  await once(deaf.stdout, 'data');
  const stubborn = process_(deaf.pid as number, { start_ticks: startTicksOf(deaf.pid as number) as number });
  const innocent = sleeper();
  const machine = new MadeUp({ ...stubborn, rss_bytes: 2 * innocent.rss_bytes }, innocent);
  const never = [detector({ name: 'available' }, '<', 1)];
  const steps = [step('term', { waitMs: 100 }), step('kill', { if: never, atOnce: never })];
  const events = await guarded(machine, steps, 1000, 0);
  const targets = events.flatMap((event) => (event.type === 'guard.action' ? [event.target.pid] : []));
  expect(targets.length).toBeGreaterThan(2);
  expect(new Set(targets)).toEqual(new Set([stubborn.pid]));
  expect(isAlive(innocent.pid)).toBe(true);
});

test('says that a victim exited because it was asked', async () => {
  const polite = spawn('sh', ['-c', 'trap "exit 0" USR1; echo ready; while :; do sleep 0.05; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.add(polite);
  await once(polite.stdout, 'data');
  const machine = new MadeUp(
    process_(polite.pid as number, { start_ticks: startTicksOf(polite.pid as number) as number }),
  );
  polite.once('exit', () => {
    machine.short = false;
  });
  const ask = { ...step('ask', { waitMs: 10_000 }), signal: 'SIGUSR1' } as Step;
  const events = await guarded(machine, [ask, step('kill')], 2000);
  expect(events.at(-1)).toMatchObject({
    ...{ type: 'guard.result', outcome: 'recovered', trigger_to_signal_ns: null },
    message: `process-${polite.pid} (pid ${polite.pid}) exited after it was asked.`,
  });
});

test.each([
  ['another process frees memory', 20, 'has exited, and memory is no longer short'],
  ['the memory of the victim is free', 80, 'has exited and its memory is back'],
])('says what has become of the memory when %s', async (_, freedMib, said) => {
  const machine = new MadeUp(sleeper()); // it holds 100 MiB
  const levels = machine.levels.bind(machine);
  machine.levels = () => {
    const available_bytes = ([...children][0]?.signalCode === null ? 90 : 90 + freedMib) * 2 ** 20;
    return { ...levels(), system: system({ available_bytes }) };
  };
  const events = await guarded(machine, [step('kill', { waitMs: 1000 })], 1000);
  const result = events.find(({ type }) => type === 'guard.result');
  expect(result).toMatchObject({ outcome: 'killed', signal_to_memory_back_ns: expect.any(Number) });
  expect(result?.message).toMatch(new RegExp(`${said} .* after the signal, ${freedMib} MiB more available\\.$`));
});

test('plans only twice for a process that is listed and cannot be reached', async () => {
  const bystander = sleeper();
  const machine = new MadeUp({ ...bystander, start_ticks: bystander.start_ticks - 1000 });
  const events = await guarded(machine, [step('kill', { waitMs: 1000 })], 500, 0);
  expect(events.filter(({ type }) => type === 'guard.plan')).toHaveLength(2);
  expect(events.at(-1)).toMatchObject({ type: 'guard.skipped', reason: 'no_candidate' });
});

test('tells that a response has failed, and responds again', async () => {
  const victim = sleeper();
  const machine = new MadeUp(victim);
  let failures = 1;
  machine.again = (process) => {
    if (failures-- > 0) throw new Error('EMFILE: too many open files');
    return process;
  };
  const events = await guarded(machine, [step('kill', { waitMs: 1000 })], 2500, 60_000);
  expect(events.filter(({ type }) => type !== 'guard.skipped').slice(0, 4)).toMatchObject([
    { type: 'guard.plan' },
    {
      type: 'guard.result',
      outcome: 'survived',
      message: `sleep (pid ${victim.pid}) is still alive: the response failed: EMFILE: too many open files.`,
    },
    { type: 'guard.plan' },
    { type: 'guard.action', action: 'kill', outcome: 'done' },
  ]);
  expect(isAlive(victim.pid)).toBe(false);
});

describe('a guard that cannot sample', () => {
  /** A simulated machine whose first `failures` samples after the start fail. */
  class Blind extends MadeUp {
    failures: number;
    #samples = 0;
    constructor(failures: number) {
      super();
      this.short = false;
      this.failures = failures;
    }
    override levels() {
      // start() first takes ten samples to warm up; they succeed.
      if (++this.#samples > 10 && this.failures-- > 0) throw new Error('EMFILE: too many open files');
      return super.levels();
    }
  }

  test('reports the first failure immediately, and reports when sampling works again', async () => {
    const events = await guarded(new Blind(2), [step('kill')], 700);
    expect(events).toMatchObject([
      { type: 'guard.status', part: 'sampling', state: 'failing', failures: 1, error: 'EMFILE: too many open files' },
      { type: 'guard.status', part: 'sampling', state: 'working', failures: 2, error: 'EMFILE: too many open files' },
    ]);
    expect(events.map(({ message }) => message)).toEqual([
      'The guard cannot sample memory: EMFILE: too many open files. It tries again, and does not act until it can.',
      'The guard can sample memory again, after 2 failures.',
    ]);
  });

  test('ends its event stream with an error after 50 failures in a row', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const guard = guardOf(new Blind(1000), [step('kill')]);
    const failed = vi.fn();
    guard.events$.subscribe({ error: failed });
    guard.start();
    for (let i = 0; i < 49; i++) vi.advanceTimersToNextTimer();
    expect(failed).not.toHaveBeenCalled();
    vi.advanceTimersToNextTimer();
    expect(failed).toHaveBeenCalledExactlyOnceWith(new Error('EMFILE: too many open files'));
    await guard.close();
  });
});

test('`await using` waits at the end of the scope until the guard has undone its changes', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-guard-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'cgroup.freeze'), '0\n');
  const machine = new MadeUp({ ...sleeper(), cgroup: '/frozen' });
  machine.directoryOf = () => directory;
  let completed = false;
  {
    await using guard = guardOf(machine, [step('freeze', { waitMs: 10_000 }), step('kill')]);
    guard.events$.subscribe({ complete: () => (completed = true) });
    guard.start();
    await vi.waitFor(() => expect(readFileSync(join(directory, 'cgroup.freeze'), 'utf8')).toBe('1'));
  }
  expect([readFileSync(join(directory, 'cgroup.freeze'), 'utf8'), completed]).toEqual(['0', true]);
});
