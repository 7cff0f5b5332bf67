/**
 * Layouts in which early killers have killed innocent processes, with real processes in real memory cgroups. The table
 * in docs/guard-cases.md lists them.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import type { GuardSkipped } from '../../src/model/guard.ts';
import { MAIN } from '../cli/cli.ts';
import { buildActor, startActor } from './actors.ts';
import { cleanUp, later, startGuard } from './guard-process.ts';
import { createMemoryGroup, type MemoryGroup, MIB, oomKillsUnavailable } from './memcg.ts';

const on = (group: MemoryGroup, ...when: string[]) => [
  ...['--enforce', '--cgroup', group.cgroupPath],
  ...when.flatMap((one) => ['--when', one]),
];
const isSkipped = (event: { type: string }): event is GuardSkipped => event.type === 'guard.skipped';
const skipped =
  (reason: string) =>
  (event: { type: string }): event is GuardSkipped =>
    isSkipped(event) && event.reason === reason;

describe.skipIf(oomKillsUnavailable())('spares the innocent', () => {
  beforeAll(buildActor);
  afterEach(cleanUp);

  it('when the main thread of the process that holds the memory has exited', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const innocent = startActor(group, 'anon 18 0');
    const eater = startActor(group, 'anon 96 0 leader');
    await Promise.all([innocent.ready, eater.ready]);
    const guard = await startGuard(on(group, 'available < 16M'));
    expect(await guard.result()).toMatchObject({ outcome: 'killed', target: { pid: eater.pid } });
    await eater.ended;
    expect(innocent.isAlive()).toBe(true);
    await guard.stop();
  });

  it('when the cgroup is full of pages of a file that is read again and again', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const directory = mkdtempSync('/var/tmp/oomscope-');
    later(() => rmSync(directory, { recursive: true }));
    const reader = startActor(group, `cache 100 ${directory}/file`);
    const innocent = startActor(group, 'anon 20 0');
    await Promise.all([innocent.ready, reader.ready]);
    const guard = await startGuard(on(group, 'available < 16M'));
    await sleep(2000);
    expect(guard.events).toEqual([]);
    const eater = startActor(group, 'anon 110 60');
    expect(await guard.result()).toMatchObject({ target: { pid: eater.pid } });
    await eater.ended;
    expect([reader.isAlive(), innocent.isAlive()]).toEqual([true, true]);
    await guard.stop();
  });

  it('when the process that takes the memory was in another cgroup before', async () => {
    const group = createMemoryGroup({ limitBytes: 160 * MIB });
    const innocent = startActor(group, 'anon 60 0');
    await innocent.ready;
    // Outside of the cgroup until it gets a line, and then it takes 95 MiB at once.
    const takes = "process.stdin.once('data', () => { globalThis.kept = Buffer.alloc(95 * 2 ** 20, 1) })";
    const eater = spawn(process.execPath, ['-e', takes], { stdio: ['pipe', 'ignore', 'inherit'] });
    later(() => eater.kill('SIGKILL'));
    const end = once(eater, 'exit');
    const guard = await startGuard(on(group, 'available < 24M'));
    writeFileSync(join(group.path, 'cgroup.procs'), String(eater.pid));
    eater.stdin.write('now');
    expect(await guard.result()).toMatchObject({ outcome: 'killed', target: { pid: eater.pid } });
    await end;
    expect(innocent.isAlive()).toBe(true);
    await guard.stop();
  });

  it('when a rule asks for free swap only, and there is no swap', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const innocent = startActor(group, 'anon 50 0');
    await innocent.ready;
    const guard = await startGuard(on(group, 'swap_free < 10 %'));
    await sleep(1000);
    expect(guard.events).toEqual([]);
    expect(guard.said()).toContain(`it never fires for ${group.cgroupPath}, because there is no swap`);
    expect(innocent.isAlive()).toBe(true);
    await guard.stop();
  });

  it('when `never` has a name that the kernel has truncated, but not when only the first argument has it', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
    later(() => rmSync(directory, { recursive: true }));
    const program = join(directory, 'gnome-session-binary');
    const session = startActor(group, 'anon 80 0 name=gnome-session-b', { program });
    await session.ready;
    const guard = await startGuard([...on(group, 'available < 24M'), '--never', '^gnome-session-binary$']);
    const eater = startActor(group, 'anon 30 0 name=gnome-session-b', { argv0: program });
    expect(await guard.result()).toMatchObject({ target: { pid: eater.pid } });
    await eater.ended;
    expect(session.isAlive()).toBe(true);
    await guard.stop();
  });

  it('when a tmpfs holds the memory: kills no worker, and says what holds it', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const file = `/dev/shm/oomscope-${process.pid}`;
    later(() => rmSync(file, { force: true }));
    const workers = [1, 2, 3, 4].map(() => startActor(group, 'anon 3 0'));
    const writer = startActor(group, `tmpfs 100 0 ${file}`);
    await Promise.all([...workers, writer].map(({ ready }) => ready));
    const guard = await startGuard([...on(group, 'available < 24M'), '--min-size', '1M']);
    const skip = await guard.seen(skipped('no_help'));
    expect(skip).toMatchObject({ severity: 'critical' });
    expect(skip.message).toMatch(/killing would not help .*100(\.\d)? MiB of shared memory and tmpfs/);
    await sleep(1000);
    expect([...workers, writer].map((one) => one.isAlive())).toEqual([true, true, true, true, true]);
    await guard.stop();
  });

  it('when processes share their memory: kills the one that has memory of its own', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const sharers = startActor(group, 'share 4 60');
    await sharers.ready;
    const guard = await startGuard(on(group, 'available < 24M'));
    const eater = startActor(group, 'anon 50 0');
    expect(await guard.result()).toMatchObject({ outcome: 'killed', target: { pid: eater.pid } });
    const { rejected } = await guard.plan();
    expect(rejected.filter(({ reason }) => reason === 'shared')).toHaveLength(4);
    await eater.ended;
    expect(sharers.isAlive()).toBe(true);
    await guard.stop();
  });

  it('when a large process calls fork(2): its child has not grown', async () => {
    const group = createMemoryGroup({ limitBytes: 160 * MIB });
    const server = startActor(group, 'forks 60 400 120');
    await server.ready;
    const guard = await startGuard([...on(group, 'available < 8M', 'exhausted_in < 2s'), '--rank', 'projected']);
    const eater = startActor(group, 'anon 140 30');
    expect(await guard.result()).toMatchObject({ target: { pid: eater.pid } });
    await eater.ended;
    await sleep(300); // the server ends within this time if a child was killed
    expect(server.isAlive()).toBe(true);
    await guard.stop();
  });

  it('in a small cgroup, where a process of 16 MiB is impossible', async () => {
    const group = createMemoryGroup({ limitBytes: 14 * MIB });
    const innocent = startActor(group, 'anon 3 0');
    const eater = startActor(group, 'anon 8 0');
    await Promise.all([innocent.ready, eater.ready]);
    const guard = await startGuard(on(group, 'available < 4M'));
    expect(await guard.result()).toMatchObject({ outcome: 'killed', target: { pid: eater.pid } });
    await eater.ended;
    expect(innocent.isAlive()).toBe(true);
    await guard.stop();
  });

  it('says for each process why it must not be killed when there is no candidate', async () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const innocent = startActor(group, 'anon 50 0 name=database');
    await innocent.ready;
    const guard = await startGuard([...on(group, 'available < 32M'), '--never', '^database$']);
    const { message } = await guard.seen(skipped('no_candidate'));
    expect(message).toContain(
      `no process may be killed (database (pid ${innocent.pid}) is excluded by the rule: comm ^database$)`,
    );
    await guard.stop();
  });

  it('while the guard is stopped: the time does not count as time of a detector', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const guard = await startGuard(on(group, 'available < 64M for 4s'));
    const innocent = startActor(group, 'anon 80 0');
    await innocent.ready;
    await sleep(300);
    process.kill(guard.pid, 'SIGSTOP');
    await sleep(5000);
    process.kill(guard.pid, 'SIGCONT');
    await sleep(1200); // with 0.3 s before and at most 1.5 s for the stop, 4 s are not over
    expect(guard.events).toEqual([]);
    expect(innocent.isAlive()).toBe(true);
    expect(await guard.plan()).toMatchObject({ victim: { pid: innocent.pid } });
    await innocent.ended;
    await guard.stop();
  });
});

/** A pid namespace of its own, with the /proc of this one. */
const inside = (...command: string[]) =>
  spawnSync('unshare', ['--pid', '--fork', '--kill-child', ...command], { encoding: 'utf8', timeout: 60_000 });

describe.skipIf(inside('true').status !== 0)('in a pid namespace that sees the /proc of another one', () => {
  it('refuses to enforce, and says why', () => {
    const { status, stderr } = inside(process.execPath, MAIN, 'guard', '--enforce');
    expect(status).toBe(2);
    expect(stderr).toContain('it could signal the wrong process: /proc is that of another pid namespace');
    expect(stderr).not.toContain('Guarding by');
  });

  it('does not take a pid of /proc for the process that has this pid in its own namespace', () => {
    const module = JSON.stringify(join(import.meta.dirname, '../../src/process/process-handle.ts'));
    // Process 1 of the new namespace is this program; process 1 of /proc is another one.
    const code = `import { ProcessHandle } from ${module};
      try { ProcessHandle.open({ pid: 1, startTicks: ${startTicksOf(1)} }); console.log('opened'); }
      catch (error) { console.log(error.code, error.message); }`;
    const strip = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
    const { stdout } = inside(process.execPath, ...strip, '--input-type=module', '--eval', code);
    expect(stdout).toMatch(/^PROCESS_GONE .*the pidfd belongs to .* because \/proc is that of another pid namespace/);
  });
});

it('the actors refuse to run outside a limited cgroup', () => {
  buildActor();
  expect(() => execFileSync(join(import.meta.dirname, '../../build/bench/actor'), ['anon', '1', '0'])).toThrow();
});

it.skipIf(process.geteuid?.() !== 0)(
  'a guard that may not signal other users refuses to enforce, with exit code 77',
  () => {
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all'];
    const command = [process.execPath, MAIN, 'guard', '--enforce'];
    const { status, stderr } = spawnSync('setpriv', [...nobody, ...command], { encoding: 'utf8', timeout: 60_000 });
    expect(stderr).toContain('it may signal only the processes of its own user. Run it as root, or with CAP_KILL.');
    expect(status).toBe(77);
  },
);
