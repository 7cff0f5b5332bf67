/**
 * Runs every step of the guard on cgroup v2, one scenario after the other, in a guest with swap. Prints a JSON line for
 * each:
 *
 *   node test/lab/ladder.ts
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseConfig } from '../../src/config/config.ts';
import { openGuard } from '../../src/guard/open-guard.ts';
import type { Event } from '../../src/model/events.ts';
import type { GuardAction, GuardResult } from '../../src/model/guard.ts';
import { createMemoryGroup, type MemoryGroup, MIB, removeMemoryGroups, startHog } from '../kernel/memcg.ts';

const LIMIT = 128 * MIB;
/** Leaves less than 48 MiB available, so that the rules fire. */
const HOLD = ['--hold', String(96 * MIB)];
const PATIENCE_MS = 30_000;
const STATE = '/tmp/guard-state';

const read = (group: MemoryGroup, file: string) => readFileSync(join(group.path, file), 'utf8').trim();

const toml = (group: MemoryGroup, steps: string, more = '') => `[guard]
mode = "enforce"
lock_memory = false
state_file = "${STATE}"
[[guard.rule]]
name = "test"
on = "${group.cgroupPath}"
when = ["available < 48M"]
undo_after = "300ms"
${more}
steps = [${steps}]
`;

/** Guards a group until the guard emits a result. @param during called every few milliseconds */
async function guarded(group: MemoryGroup, steps: string, more = '', during = () => {}) {
  const { guard } = await parseConfig(toml(group, steps, more), 'test');
  if (!guard) throw new Error('expected a guard');
  const opened = await openGuard(guard);
  const events: Event[] = [];
  const look = setInterval(during, 5);
  const result = await new Promise<GuardResult>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no result: ${JSON.stringify(events)}`)), PATIENCE_MS);
    opened.guard.events$.subscribe((event) => {
      events.push(event);
      if (event.type !== 'guard.result') return;
      clearTimeout(timer);
      resolve(event);
    });
    opened.guard.start();
  });
  const actions = () =>
    events.flatMap((event) => (event.type === 'guard.action' ? [`${event.action} ${event.outcome}`] : []));
  const details = () =>
    events.flatMap((event) => (event.type === 'guard.action' ? [(event as GuardAction).detail] : []));
  return {
    ...{ result, actions, details, events },
    async close() {
      clearInterval(look);
      await opened.close();
    },
  };
}

const group = (swap = false) => createMemoryGroup({ limitBytes: LIMIT, swap });

const scenarios: Record<string, () => Promise<unknown>> = {
  async reclaim() {
    const place = group(true);
    const hog = startHog(place, HOLD);
    await hog.ready;
    const { result, actions, close } = await guarded(
      place,
      '{ do = "reclaim", bytes = "64M", wait = "5s" }, { do = "kill" }',
    );
    await close();
    return { outcome: result.outcome, actions: actions(), living: place.procs().length };
  },

  async throttle() {
    const place = group(true);
    const hog = startHog(place, HOLD);
    await hog.ready;
    let high = 'max';
    const { result, actions, close } = await guarded(
      place,
      '{ do = "throttle", percent = 60, wait = "10s" }, { do = "kill" }',
      '',
      () => {
        const now = read(place, 'memory.high');
        if (now !== 'max') high = now;
      },
    );
    // undo_after is 300 ms; an emulated CPU may take longer.
    for (let tries = 0; tries < 200 && !actions().includes('throttle undone'); tries++) await sleep(50);
    const undone = actions();
    await close();
    return { outcome: result.outcome, actions: undone, set: Number(high) < LIMIT, after: read(place, 'memory.high') };
  },

  async freeze() {
    const place = group();
    const hog = startHog(place, HOLD);
    await hog.ready;
    let frozen = false;
    const { result, actions, close } = await guarded(
      place,
      '{ do = "freeze", wait = "500ms" }, { do = "kill" }',
      '',
      () => {
        frozen ||= read(place, 'cgroup.events').includes('frozen 1');
      },
    );
    const end = await hog.ended;
    await close();
    return {
      outcome: result.outcome,
      actions: actions(),
      frozen,
      after: read(place, 'cgroup.freeze'),
      signal: end.signal,
    };
  },

  async 'freeze, then SIGTERM'() {
    const place = group();
    const hog = startHog(place, HOLD);
    await hog.ready;
    const steps = '{ do = "freeze", wait = "200ms" }, { do = "term" }, { do = "kill" }';
    const { result, actions, close } = await guarded(place, steps);
    const end = await hog.ended;
    await close();
    return { outcome: result.outcome, actions: actions(), signal: end.signal };
  },

  async 'the whole ladder'() {
    const place = group();
    const hog = startHog(place, [...HOLD, '--ignore-term']);
    await hog.ready;
    rmSync('/tmp/hook', { force: true });
    writeFileSync('/tmp/hook.sh', '#!/bin/sh\nenv | grep OOMSCOPE_ >/tmp/hook; cat >>/tmp/hook\n', { mode: 0o755 });
    const steps = [
      '{ do = "notify" }',
      '{ do = "exec", command = ["/tmp/hook.sh"] }',
      '{ do = "reclaim", bytes = "1M", wait = "100ms" }',
      '{ do = "throttle", percent = 100, wait = "100ms" }',
      '{ do = "freeze", wait = "100ms" }',
      '{ do = "term", wait = "300ms" }',
      '{ do = "kill" }',
    ];
    const { result, actions, close } = await guarded(place, steps.join(', '));
    const end = await hog.ended;
    await close();
    const hook = existsSync('/tmp/hook') ? readFileSync('/tmp/hook', 'utf8') : '';
    return {
      ...{ outcome: result.outcome, actions: actions(), signal: end.signal },
      hook: hook.includes(`OOMSCOPE_PID=${hog.pid}\n`) && hook.includes('"rule":"test"'),
      ...{ high: read(place, 'memory.high'), freeze: read(place, 'cgroup.freeze') },
    };
  },

  async 'a whole cgroup'() {
    const place = group();
    const hogs = [startHog(place, ['--hold', String(80 * MIB)]), startHog(place, ['--hold', String(16 * MIB)])];
    await Promise.all(hogs.map(({ ready }) => ready));
    const { result, details, close } = await guarded(place, '{ do = "kill" }', 'kill = "cgroup"');
    const ends = await Promise.all(hogs.map(({ ended }) => ended));
    await close();
    return {
      outcome: result.outcome,
      target: result.target.processes,
      details: details(),
      signals: ends.map(({ signal }) => signal),
    };
  },

  async 'memory.oom.group'() {
    const place = group();
    writeFileSync(join(place.path, 'memory.oom.group'), '1');
    const hogs = [startHog(place, ['--hold', String(80 * MIB)]), startHog(place, ['--hold', String(16 * MIB)])];
    await Promise.all(hogs.map(({ ready }) => ready));
    const { result, close } = await guarded(place, '{ do = "kill" }');
    const ends = await Promise.all(hogs.map(({ ended }) => ended));
    await close();
    return { outcome: result.outcome, takes: result.target.takes, signals: ends.map(({ signal }) => signal) };
  },

  /** The guard is killed while a cgroup is frozen; the next guard thaws the cgroup. */
  async 'kill -9 on the guard'() {
    const place = group();
    const hog = startHog(place, HOLD);
    await hog.ready;
    writeFileSync('/tmp/crash.toml', toml(place, '{ do = "freeze", wait = "1h" }, { do = "kill" }'));
    const child = spawn('oomscope', ['guard', '--config', '/tmp/crash.toml', '--json'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const until = performance.now() + PATIENCE_MS;
    while (!read(place, 'cgroup.events').includes('frozen 1') && performance.now() < until) await sleep(20);
    child.kill('SIGKILL');
    await ended;
    const frozen = read(place, 'cgroup.freeze');
    const { guard } = await parseConfig(toml(place, '{ do = "notify" }'), 'test');
    const opened = guard && (await openGuard(guard));
    await opened?.close();
    const after = read(place, 'cgroup.freeze');
    hog.kill('SIGKILL');
    await hog.ended;
    return {
      frozen,
      after,
      notes: opened?.notes.filter((note) => note.includes('restored')).length,
      state: existsSync(STATE),
    };
  },
};

for (const [name, run] of Object.entries(scenarios)) {
  try {
    process.stdout.write(`${JSON.stringify({ name, ...((await run()) as object) })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ name, error: (error as Error).stack })}\n`);
  }
  removeMemoryGroups();
}
process.exit(0);
