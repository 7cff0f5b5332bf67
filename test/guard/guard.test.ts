/**
 * What is looked at again between the choice and the signal. The processes are real; what the guard sees of the machine is
 * made up here, so that it can change at the very moment that matters.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { Guard } from '../../src/guard/guard.ts';
import { diagnose } from '../../src/guard/ladder/diagnose.ts';
import type { MachineView } from '../../src/guard/ladder/machine-view.ts';
import type { Step } from '../../src/guard/rules/rule.ts';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import type { Event } from '../../src/model/events.ts';
import type { SampledProcess } from '../../src/model/sample.ts';
import { schemaErrors } from '../schema.ts';
import { comm, GIB, process_, rule, sample, step, system } from './rules/world.ts';

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

/** Made up: short of memory, with these processes, until told otherwise. */
class MadeUp implements MachineView {
  short = true;
  processes: SampledProcess[];
  /** What one looks like when it is looked at again. */
  again: (process: SampledProcess) => SampledProcess | undefined = (process) => process;

  constructor(...processes: SampledProcess[]) {
    this.processes = processes;
  }
  levels() {
    return sample(performance.now(), { system: system(this.short ? {} : { available_bytes: GIB }) });
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
  directoryOf() {
    return undefined;
  }
}

async function guarded(senses: MadeUp, steps: Step[], ms = 400): Promise<Event[]> {
  const events: Event[] = [];
  const policy = { rules: [rule({ steps, coolDownMs: 60_000 })], killsPerMinute: 5, protect: [comm('^precious$')] };
  const hook = async () => ({ outcome: 'done' as const, detail: '' });
  const guard = new Guard({ mode: 'enforce', policy, senses, hook });
  guard.events$.subscribe((event) => events.push(event));
  guard.start();
  await sleep(ms);
  await guard.close();
  expect(events.flatMap(schemaErrors)).toEqual([]);
  return events;
}

const types = (events: Event[]) => events.map((event) => event.type);

test('the worst is killed, and nobody else', async () => {
  const [worst, other] = [sleeper(), sleeper()];
  const senses = new MadeUp({ ...worst, rss_bytes: 2 * other.rss_bytes }, other);
  const events = await guarded(senses, [step('kill', { waitMs: 1000 })]);
  expect(types(events).slice(0, 2)).toEqual(['guard.plan', 'guard.action']);
  expect([isAlive(worst.pid), isAlive(other.pid)]).toEqual([false, true]);
});

test('it was over when memory was looked at again', async () => {
  const senses = new MadeUp(sleeper());
  const steps = [step('notify', { waitMs: 50 }), step('kill', { waitMs: 1000 })];
  setTimeout(() => {
    senses.short = false;
  }, 20);
  const events = await guarded(senses, steps);
  expect(events.at(-1)).toMatchObject({ type: 'guard.result', outcome: 'recovered' });
  expect(isAlive(senses.processes[0]?.pid ?? 0)).toBe(true);
});

test('another program runs in it by now: it is not touched', async () => {
  const senses = new MadeUp(sleeper());
  senses.again = (process) => ({ ...process, comm: 'precious' });
  const events = await guarded(senses, [step('kill', { waitMs: 1000 })]);
  expect(events.slice(0, 2)).toMatchObject([
    { type: 'guard.plan' },
    { type: 'guard.skipped', reason: 'victim_changed', detail: 'protected: comm ^precious$' },
  ]);
  expect(isAlive(senses.processes[0]?.pid ?? 0)).toBe(true);
});

test('its pid belongs to another: nobody is touched', async () => {
  const bystander = sleeper();
  const senses = new MadeUp({ ...bystander, start_ticks: bystander.start_ticks - 1000 });
  const events = await guarded(senses, [step('kill', { waitMs: 1000 })]);
  expect(events[1]).toMatchObject({ type: 'guard.skipped', reason: 'victim_changed' });
  expect(isAlive(bystander.pid)).toBe(true);
});

test('one who does not die is diagnosed', async () => {
  const victim = sleeper();
  process.kill(victim.pid, 'SIGSTOP');
  expect(await diagnose(victim.pid)).toMatchObject({
    state: 'T',
    memory_falling: false,
    verdict: 'It is stopped or traced.',
  });
  const senses = new MadeUp(victim);
  // SIGTERM does not reach what is stopped, and this ladder goes no further.
  const events = await guarded(senses, [step('term', { waitMs: 50 })]);
  const result = events.find(({ type }) => type === 'guard.result');
  expect(result).toMatchObject({ outcome: 'survived', stuck: { state: 'T' } });
  expect((await diagnose(2 ** 22 + 1)).verdict).toBe('It is gone.');
});
