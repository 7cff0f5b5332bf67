/** The processes that would be signalled or stopped together with the victim: each is looked at again at that moment. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Guard, type GuardOptions } from '../../src/guard/guard.ts';
import type { Rule } from '../../src/guard/rules/rule.ts';
import { Sampler } from '../../src/guard/senses/sampler.ts';
import type { Event } from '../../src/model/events.ts';
import type { GuardAction } from '../../src/model/guard.ts';
import { comm, detector, rule, step } from '../guard/rules/world.ts';
import { ACTOR, buildActor, startActor } from './actors.ts';
import { cleanUp, later, startGuard } from './guard-process.ts';
import { createMemoryGroup, type MemoryGroup, MIB, oomKillsUnavailable } from './memcg.ts';

const UNIFIED = '/sys/fs/cgroup/unified';
const isAlive = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null;

/**
 * Starts a shell that leads a process group and ignores SIGTERM. It starts the `others`, and executes a program named
 * "precious" when a line is written to its standard input.
 */
async function startShell(group: MemoryGroup, others = '') {
  const directory = mkdtempSync('/var/tmp/oomscope-');
  later(() => rmSync(directory, { recursive: true }));
  copyFileSync('/bin/sleep', join(directory, 'precious'));
  const enter = `echo $$ > ${group.path}/cgroup.procs; trap "" TERM`;
  const shell = spawn('sh', ['-c', `${enter}; ${others} echo ready; read x; exec ${directory}/precious 60`], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  later(() => shell.kill('SIGKILL'));
  await once(shell.stdout, 'data');
  const becomePrecious = async () => {
    shell.stdin.write('x\n');
    await vi.waitFor(() => expect(readFileSync(`/proc/${shell.pid}/comm`, 'utf8')).toBe('precious\n'));
  };
  return { shell, pid: shell.pid as number, becomePrecious };
}

const actor = (group: MemoryGroup, words: string) => `${ACTOR} --cgroup ${group.path} ${words} < /dev/null &`;
const enter = (directory: string, pid: number) => writeFileSync(`${directory}/cgroup.procs`, String(pid));

/** Guards a group of 128 MiB that has not 110 MiB left. */
function guarding(group: MemoryGroup, more: Partial<Rule>, options: Partial<GuardOptions> = {}) {
  const rules = [
    rule({
      on: [{ kind: 'cgroup', glob: group.cgroupPath }],
      when: [detector({ name: 'available' }, '<', 110 * MIB, 'bytes')],
      minBytes: MIB,
      never: [comm('^precious$')],
      coolDownMs: 60_000,
      ...more,
    }),
  ];
  const machine = new Sampler({ rules, protect: [] });
  const policy = { rules, killsPerMinute: 5, protect: [] };
  const hook = async () => ({ outcome: 'done' as const, detail: '' });
  const guard = new Guard({ mode: 'enforce', policy, machine, hook, ...options });
  const directoryOf = machine.directoryOf.bind(machine);
  machine.directoryOf = (path) => (v2Of(group) && path === group.cgroupPath ? v2Of(group) : directoryOf(path));
  const events: Event[] = [];
  guard.events$.subscribe((event) => events.push(event));
  later(() => void guard.close().then(() => machine.close()));
  guard.start();
  const action = (name: string) =>
    vi.waitFor(
      () => {
        const found = events.find(
          (event): event is GuardAction => event.type === 'guard.action' && event.action === name,
        );
        expect(found, JSON.stringify(events.map(({ message }) => message))).toBeDefined();
        return found as GuardAction;
      },
      { timeout: 15_000 },
    );
  return { events, action };
}

const v2 = new Map<MemoryGroup, string>();
/** The directory of a group with the files of cgroup v2, beside the memory controller of v1. */
const v2Of = (group: MemoryGroup) => v2.get(group);

function makeV2(group: MemoryGroup): string {
  const directory = group.version === 2 ? group.path : join(UNIFIED, basename(group.path));
  if (group.version === 1) {
    mkdirSync(directory);
    later(() => void removeV2(directory));
  }
  v2.set(group, directory);
  return directory;
}

/** Its processes are still exiting. */
async function removeV2(directory: string) {
  const remove = () => {
    for (const path of [join(directory, 'below'), directory]) if (existsSync(path)) rmdirSync(path);
  };
  await vi.waitFor(remove, { timeout: 5000 });
}

beforeAll(buildActor);
afterEach(async () => {
  cleanUp();
  v2.clear();
  await sleep(200);
});

describe.skipIf(oomKillsUnavailable())('before each signal, the guard', () => {
  const signals = [step('term', { waitMs: 1500 }), step('kill', { waitMs: 10_000 })];

  it.each(['process_group', 'cgroup'] as const)(
    'spares a process that runs a protected program by now (%s)',
    async (unit) => {
      const group = createMemoryGroup({ limitBytes: 128 * MIB });
      const { shell, becomePrecious } = await startShell(group, actor(group, 'anon 60 0 deaf name=lead'));
      await vi.waitFor(() => expect(group.usage()).toBeGreaterThan(55 * MIB));
      const { action, events } = guarding(group, { unit, steps: signals });
      expect(await action('term')).toMatchObject({ detail: '2 processes' });
      await becomePrecious();
      expect(await action('kill')).toMatchObject({ outcome: 'done', detail: 'by pidfd' });
      await vi.waitFor(() => expect(events.at(-1)).toMatchObject({ type: 'guard.result', outcome: 'killed' }), 5000);
      expect(isAlive(shell)).toBe(true);
    },
  );

  it('spares a process that has left the cgroup after the first process has exited', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const elsewhere = createMemoryGroup({ limitBytes: 128 * MIB });
    const [lead, deaf] = [startActor(group, 'anon 40 0'), startActor(group, 'anon 25 0 deaf')];
    const { shell, pid } = await startShell(group);
    await Promise.all([lead.ready, deaf.ready]);
    const { action } = guarding(group, { unit: 'cgroup', steps: signals });
    expect(await action('term')).toMatchObject({ detail: '3 processes' });
    await lead.ended;
    enter(elsewhere.path, pid);
    expect(await action('kill')).toMatchObject({ detail: 'by pidfd' });
    expect(await deaf.ended).toBe('SIGKILL');
    expect(isAlive(shell)).toBe(true);
  });

  describe.skipIf(!existsSync(`${UNIFIED}/cgroup.procs`) && !existsSync('/sys/fs/cgroup/cgroup.procs'))('on v2', () => {
    it('spares a protected process that has joined a cgroup below the one that is killed', async () => {
      const group = createMemoryGroup({ limitBytes: 128 * MIB });
      const elsewhere = createMemoryGroup({ limitBytes: 128 * MIB });
      const directory = makeV2(group);
      // Without a controller of its own: on v2, its parent may then have processes, too.
      for (const each of new Set([group.path, directory])) mkdirSync(join(each, 'below'));
      const { shell, pid, becomePrecious } = await startShell(elsewhere);
      await becomePrecious();
      const hog = startActor(group, 'anon 60 0 deaf');
      await hog.ready;
      if (directory !== group.path) enter(directory, hog.pid);
      const { action } = guarding(group, { unit: 'cgroup', steps: signals });
      await action('term');
      for (const each of new Set([group.path, directory])) enter(join(each, 'below'), pid);
      expect(await action('kill')).toMatchObject({ detail: 'by pidfd' });
      expect(await hog.ended).toBe('SIGKILL');
      await sleep(200);
      expect(isAlive(shell)).toBe(true);
    });

    it('kills a whole cgroup at once where no process forbids it', async () => {
      const group = createMemoryGroup({ limitBytes: 128 * MIB });
      const directory = makeV2(group);
      const hogs = [startActor(group, 'anon 40 0 deaf'), startActor(group, 'anon 25 0 deaf')];
      await Promise.all(hogs.map(({ ready }) => ready));
      if (directory !== group.path) for (const { pid } of hogs) enter(directory, pid);
      const { action } = guarding(group, { unit: 'cgroup', steps: signals.slice(1) });
      expect(await action('kill')).toMatchObject({ detail: '2 processes, by cgroup.kill' });
      expect(await Promise.all(hogs.map(({ ended }) => ended))).toEqual(['SIGKILL', 'SIGKILL']);
    });

    it('does not freeze a cgroup that a protected process has joined since the choice', async () => {
      const group = createMemoryGroup({ limitBytes: 128 * MIB });
      const elsewhere = createMemoryGroup({ limitBytes: 128 * MIB });
      const directory = makeV2(group);
      const { pid, becomePrecious } = await startShell(elsewhere);
      await becomePrecious();
      const hog = startActor(group, 'anon 60 0');
      await hog.ready;
      if (directory !== group.path) enter(directory, hog.pid);
      const steps = [step('exec', { command: ['join'], waitMs: 5000 } as object), step('freeze', { waitMs: 1000 })];
      const hook = async () => {
        for (const each of new Set([group.path, directory])) enter(each, pid);
        return { outcome: 'done' as const, detail: '' };
      };
      const { action } = guarding(group, { steps: [...steps, step('kill', { waitMs: 5000 })] }, { hook });
      const joined = `precious (pid ${pid}) is in ${group.cgroupPath}`;
      expect(await action('freeze')).toMatchObject({ outcome: 'unavailable', detail: joined });
      expect(await hog.ended).toBe('SIGKILL');
    });
  });
});

/** Lets a process open only this many more files. */
function leaveFiles(pid: number, count: number): void {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let limit = 0;
  for (let free = 0; free < count; limit++) if (!open.has(limit)) free++;
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:${limit}`]);
}

it.skipIf(oomKillsUnavailable()).each(['process_group', 'cgroup'])(
  'kills a victim with more processes than the guard may open files for (%s)',
  async (unit) => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const on = ['--enforce', '--cgroup', group.cgroupPath, '--when', 'available < 64M', '--min-size', '1M', '--no-arm'];
    const guard = await startGuard([...on, '--kill', unit, '--steps', 'kill']);
    leaveFiles(guard.pid, 40);
    const { shell } = await startShell(group, `for i in $(seq 60); do sleep 60 & done; ${actor(group, 'anon 60 0')}`);
    expect((await guard.plan()).victim.processes).toBeGreaterThan(55);
    expect(await guard.result()).toMatchObject({ outcome: 'killed' });
    await vi.waitFor(() => expect([isAlive(shell), group.procs()]).toEqual([false, []]), 5000);
    expect(guard.events.map(({ type }) => type)).toEqual(['guard.plan', 'guard.action', 'guard.result']);
    await guard.stop();
  },
);
