import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { type ArmingOptions, openArming } from '../../src/guard/arming/arming.ts';
import type { Fired, SignalSeen } from '../../src/guard/arming/fired.ts';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import { ProcessHandle } from '../../src/process/process-handle.ts';
import { UndoLedger } from '../../src/process/undo-ledger.ts';
import { schedulingOf } from '../scheduling.ts';
import { startUnreaped } from '../unreaped.ts';
import { type BpfIds, gone } from './bpf-ids.ts';
import { startChild } from './children/child.ts';
import { createMemoryGroup, type Hog, type MemoryGroup, MIB, removeMemoryGroups, startHog } from './memcg.ts';
import { bpfUnavailable } from './unavailable.ts';

const idOf = (group: MemoryGroup) => statSync(group.path, { bigint: true }).ino;
const ticksOf = (pid: number) => startTicksOf(pid) as number;
const adjOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));

function open(options: ArmingOptions = {}) {
  const arming = openArming(options);
  const fired: Fired[] = [];
  const signals: SignalSeen[] = [];
  arming.fired$.subscribe((one) => fired.push(one));
  arming.signals$.subscribe((one) => signals.push(one));
  onTestFinished(() => arming.close());
  return { arming, fired, signals };
}

function handleOf({ pid }: Pick<Hog, 'pid'>): ProcessHandle {
  const handle = ProcessHandle.open({ pid, startTicks: ticksOf(pid) });
  onTestFinished(() => handle.close());
  return handle;
}

/** Starts a hog that would exceed the limit, and stops it by SIGSTOP before it does. */
async function pausedHog(group: MemoryGroup): Promise<Hog> {
  const hog = startHog(group, ['--max', String(256 * MIB)]);
  hog.kill('SIGSTOP');
  await sleep(30);
  return hog;
}

/** Starts a process that holds `bytes` of memory in the group and sleeps. */
async function holder(group: MemoryGroup, bytes = 48 * MIB): Promise<Hog> {
  const hog = startHog(group, ['--hold', String(bytes), '--max', String(bytes)]);
  await hog.ready;
  await sleep(20); // a target must be older than one clock tick
  return hog;
}

const settled = () => sleep(50); // waits until all records have arrived

describe.skipIf(bpfUnavailable())('an armed target', () => {
  afterEach(removeMemoryGroups);

  test.each(['bpf', 'addon'] as const)('is signalled by %s before the kernel kills it', async (backend) => {
    const { arming, fired, signals } = open({ backend });
    expect(arming.backend).toBe(backend);
    for (let i = 0; i < 5; i++) {
      const group = createMemoryGroup({ limitBytes: 64 * MIB });
      const hog = await pausedHog(group);
      const armed = arming.arm(
        handleOf(hog),
        { domain: idOf(group), fruitlessRounds: 2, signal: 'SIGKILL' },
        { expiresInMs: 10_000 },
      );
      hog.kill('SIGCONT');
      expect((await hog.ended).signal).toBe('SIGKILL');
      await settled();
      expect(group.events().oom_kill).toBe(0);
      expect(armed.isArmed).toBe(false);
      expect(armed.disarm()).toBe(false);
      const [one] = fired.splice(0);
      expect(one).toMatchObject({ armed, by: backend, outcome: 'signalled', error: null, triggerTid: hog.pid });
      expect(one?.fruitlessRounds).toBe(2);
      const [seen] = signals.splice(0);
      expect(seen).toMatchObject({ armed, byOomKiller: false, triggerNs: one?.triggerNs });
      expect(seen?.signalNs).toBeGreaterThan(one?.triggerNs as bigint);
      if (backend === 'addon') expect(seen?.senderPid).toBe(process.pid);
    }
  });

  test.each(['bpf', 'addon'] as const)('is signalled by %s also when another process allocates', async (backend) => {
    const { arming, fired, signals } = open({ backend });
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const target = await holder(group);
    const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
    arming.arm(handleOf(target), condition, { expiresInMs: 10_000, oomScoreAdj: 800 });
    expect(adjOf(target.pid)).toBe(800);
    const trigger = startHog(group, ['--max', String(24 * MIB)]);
    expect((await target.ended).signal).toBe('SIGKILL');
    await trigger.ended;
    await settled();
    expect(fired).toMatchObject([{ by: backend, outcome: 'signalled', triggerTid: trigger.pid }]);
    expect(signals).toMatchObject([{ byOomKiller: false }]);
  });

  test.each(['bpf', 'addon'] as const)('is signalled by %s only while it holds the least memory', async (backend) => {
    const { arming, fired, signals } = open({ backend });
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const target = await holder(group, 20 * MIB);
    const handle = handleOf(target);
    const arm = (leastBytes: number) => {
      const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL', leastBytes } as const;
      arming.arm(handle, condition, { expiresInMs: 10_000 });
    };
    arm(40 * MIB);
    expect((await startHog(group, ['--max', String(256 * MIB)]).ended).signal).toBe('SIGKILL');
    await settled();
    expect(fired).toMatchObject([{ by: backend, outcome: 'shrunk', error: null, signalNs: null }]);
    expect({ signals, lives: handle.stillSame() }).toEqual({ signals: [], lives: true });
    arm(10 * MIB);
    await startHog(group, ['--max', String(256 * MIB)]).ended;
    expect((await target.ended).signal).toBe('SIGKILL');
    await settled();
    expect(fired[1]).toMatchObject({ by: backend, outcome: 'signalled' });
  });

  test.each(['bpf', 'addon'] as const)('gets a higher priority after SIGKILL by %s', async (backend) => {
    const { arming, fired } = open({ backend });
    const group = createMemoryGroup({ limitBytes: 32 * MIB });
    const pid = await startUnreaped();
    await sleep(20);
    const handle = handleOf({ pid });
    arming.arm(handle, { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' }, { expiresInMs: 10_000 });
    await startHog(group, ['--max', String(256 * MIB)]).ended;
    await handle.exited;
    await settled();
    expect(fired).toMatchObject([{ by: backend, outcome: 'signalled' }]);
    expect(schedulingOf(pid)).toMatchObject({ nice: -8 });
  });

  test('gets SIGTERM when the condition specifies that signal', async () => {
    const { arming, fired } = open();
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const hog = await pausedHog(group);
    const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGTERM' } as const;
    arming.arm(handleOf(hog), condition, { expiresInMs: 10_000 });
    hog.kill('SIGCONT');
    expect((await hog.ended).signal).toBe('SIGTERM');
    await settled();
    expect(fired).toMatchObject([{ outcome: 'signalled' }]);
    expect(group.events().oom_kill).toBe(0);
  });

  test('gets no signal when another process has got its pid', async () => {
    const { arming, fired, signals } = open({ backend: 'bpf' });
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const target = await holder(group, 20 * MIB);
    const handle = handleOf(target);
    // To the BPF program this looks as if the pid had been reused: the pid is the same, the start time is different.
    const { pid, fd } = handle;
    const former = { pid, fd, startTicks: handle.startTicks - 1, stillSame: () => true };
    const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
    arming.arm(former as unknown as ProcessHandle, condition, { expiresInMs: 10_000 });
    const trigger = await startHog(group, ['--max', String(256 * MIB)]).ended;
    await settled();
    expect(trigger.signal).toBe('SIGKILL');
    expect(group.events().oom_kill).toBe(1);
    expect(fired).toMatchObject([{ by: 'bpf', outcome: 'gone', signalNs: null }]);
    expect(signals).toEqual([]);
    expect(handle.stillSame()).toBe(true);
  });

  test.each(['bpf', 'addon'] as const)(
    'is not signalled by %s after the arming has expired, but again after a refresh',
    async (backend) => {
      const { arming, fired, signals } = open({ backend });
      const group = createMemoryGroup({ limitBytes: 64 * MIB });
      const target = await holder(group, 20 * MIB);
      const handle = handleOf(target);
      const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
      const armed = arming.arm(handle, condition, { expiresInMs: 20 });
      await sleep(30);
      const runOut = () => startHog(group, ['--max', String(256 * MIB)]).ended;
      expect((await runOut()).signal).toBe('SIGKILL');
      await settled();
      expect({ fired, signals, lives: handle.stillSame() }).toEqual({ fired: [], signals: [], lives: true });

      expect(armed.refresh(10_000)).toBe(true);
      await runOut();
      expect((await target.ended).signal).toBe('SIGKILL');
      await settled();
      expect(fired).toMatchObject([{ outcome: 'signalled' }]);
      expect(signals).toMatchObject([{ byOomKiller: false }]);
      expect(armed.refresh(10_000)).toBe(false);
    },
  );

  test('gets no signal for a shortage in another cgroup, nor for reclaim that makes progress', async () => {
    const { arming, fired } = open();
    const [group, other] = [1, 2].map(() => createMemoryGroup({ limitBytes: 64 * MIB })) as [MemoryGroup, MemoryGroup];
    const target = await holder(group, 20 * MIB);
    const handle = handleOf(target);
    const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
    arming.arm(handle, condition, { expiresInMs: 10_000 });
    expect((await startHog(other, ['--max', String(256 * MIB)]).ended).signal).toBe('SIGKILL');
    // A group below the armed group hits its limit; the armed group still has room.
    const below = group.child('below', 8 * MIB);
    expect((await startHog(below, ['--max', String(256 * MIB)]).ended).signal).toBe('SIGKILL');
    await settled();
    expect(fired).toEqual([]);
    expect(handle.stillSame()).toBe(true);
  });

  test('gets a signal when the limit of an ancestor is hit, but not after it was disarmed', async () => {
    const { arming, fired } = open();
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const below = group.child('below');
    const targets = [await holder(below, 16 * MIB), await holder(group, 16 * MIB)] as const;
    const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
    const first = arming.arm(handleOf(targets[0]), condition, { expiresInMs: 10_000, oomScoreAdj: 500 });
    const second = arming.arm(handleOf(targets[1]), condition, { expiresInMs: 10_000 }); // replaces the first
    expect([first.isArmed, second.isArmed, adjOf(targets[0].pid)]).toEqual([false, true, 0]);
    expect((await startHog(below, ['--max', String(256 * MIB)]).ended).signal).toBe('SIGKILL');
    expect((await targets[1].ended).signal).toBe('SIGKILL');
    await settled();
    expect(fired).toMatchObject([{ armed: second }]);
    expect(handleOf(targets[0]).stillSame()).toBe(true);
  });

  test('is reported also when another is armed in its place before the record of its signal is read', async () => {
    const { arming, fired } = open();
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const other = createMemoryGroup({ limitBytes: 64 * MIB });
    const [hog, next] = [await pausedHog(group), await holder(other)];
    const handle = handleOf(hog);
    const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
    const armed = arming.arm(handle, condition, { expiresInMs: 60_000 });
    hog.kill('SIGCONT');
    const end = performance.now() + 20_000;
    while (handle.state()?.dying === false && performance.now() < end); // this thread reads no record meanwhile
    arming.arm(handleOf(next), condition, { expiresInMs: 10_000 });
    await hog.ended;
    await settled();
    expect(fired).toMatchObject([{ armed, outcome: 'signalled' }]);
  });

  test('must not be init, a kernel thread, oomscope, its parent, or a process that has just started', async () => {
    const { arming } = open();
    const condition = { domain: 'system', fruitlessRounds: 16, signal: 'SIGKILL' } as const;
    const refusal = (pid: number) => {
      using handle = ProcessHandle.open({ pid, startTicks: ticksOf(pid) });
      try {
        arming.arm(handle, condition, { expiresInMs: 1 }).disarm();
        return 'armed';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refusal(1)).toContain('it is init');
    expect(refusal(2)).toContain('it is a kernel thread');
    expect(refusal(process.pid)).toContain('it is oomscope itself');
    expect(refusal(process.ppid)).toContain('oomscope descends from it');
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const { pid } = await holder(group, MIB);
    const newborn = { pid, startTicks: Math.ceil(uptime() * 100) + 10 } as ProcessHandle;
    expect(() => arming.arm(newborn, condition, { expiresInMs: 1 })).toThrow('try again in 10 ms');
    await sleep(30);
    expect(refusal(pid)).toBe('armed');
  });

  test('can have exited: then no signal is sent, and no error is reported', async () => {
    const { arming, fired } = open();
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const target = await holder(group, MIB);
    const condition = { domain: idOf(group), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
    const armed = arming.arm(handleOf(target), condition, { expiresInMs: 10_000, oomScoreAdj: 300 });
    target.kill('SIGKILL');
    await target.ended;
    expect((await startHog(group, ['--max', String(256 * MIB)]).ended).signal).toBe('SIGKILL');
    await settled();
    expect(fired).toMatchObject([{ outcome: 'gone' }]);
    expect(armed.disarm()).toBe(false);
  });
});

describe.skipIf(bpfUnavailable())('the processes that are killed together with a target', () => {
  afterEach(removeMemoryGroups);

  test('are raised with it, and are what the kernel kills instead of a larger process', async () => {
    const { arming } = open();
    const group = createMemoryGroup({ limitBytes: 96 * MIB });
    const innocent = await holder(group, 48 * MIB);
    const members = [await holder(group, 4 * MIB), await holder(group, 4 * MIB), await holder(group, 4 * MIB)] as const;
    const never = { domain: idOf(group), fruitlessRounds: 2 ** 31 - 1, signal: 'SIGKILL' } as const;
    const armed = arming.arm(handleOf(members[0]), never, { expiresInMs: 60_000, oomScoreAdj: 900 });
    const identities = members.map(({ pid }) => ({ pid, start_ticks: ticksOf(pid) }));
    armed.raise(identities);
    armed.raise(identities); // as at each new ranking
    expect(members.map(({ pid }) => adjOf(pid))).toEqual([900, 900, 900]);
    const late = startHog(group, ['--hold', String(48 * MIB)]);
    const [first] = await Promise.race(members.map(async (member) => [member, (await member.ended).signal] as const));
    expect(members).toContain(first);
    late.kill('SIGKILL');
    await late.ended;
    armed.disarm();
    const alive = members.filter(({ pid }) => existsSync(`/proc/${pid}/stat`) && startTicksOf(pid) !== undefined);
    for (const { pid } of alive) if (readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '') expect(adjOf(pid)).toBe(0);
    expect(existsSync(`/proc/${innocent.pid}`)).toBe(true);
  });

  test('are restored, but for one that has exited meanwhile', async () => {
    const { arming } = open();
    const group = createMemoryGroup({ limitBytes: 96 * MIB });
    const [target, other, gone] = [
      await holder(group, 4 * MIB),
      await holder(group, 4 * MIB),
      await holder(group, MIB),
    ];
    const never = { domain: idOf(group), fruitlessRounds: 2 ** 31 - 1, signal: 'SIGKILL' } as const;
    const armed = arming.arm(handleOf(target), never, { expiresInMs: 60_000, oomScoreAdj: 900 });
    armed.raise([other, gone].map(({ pid }) => ({ pid, start_ticks: ticksOf(pid) })));
    gone.kill('SIGKILL');
    await gone.ended;
    armed.disarm();
    expect([target, other].map(({ pid }) => adjOf(pid))).toEqual([0, 0]);
  });
});

describe.skipIf(bpfUnavailable())('the process that armed', () => {
  afterEach(removeMemoryGroups);

  async function armingChild(group: MemoryGroup, target: Hog, expiresInMs: number, adj = 700) {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-test-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const statePath = join(directory, 'armed.json');
    const child = startChild('arming', [
      statePath,
      String(target.pid),
      String(idOf(group)),
      String(expiresInMs),
      String(adj),
    ]);
    const { held } = await child.next<{ held: BpfIds }>();
    return { child, held, statePath };
  }

  test('can be killed: then no target is signalled, and the next start restores the raised oom_score_adj', async () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const target = await holder(group, 20 * MIB);
    const { child, held, statePath } = await armingChild(group, target, 60_000);
    expect(held.programs).toHaveLength(3);
    expect(adjOf(target.pid)).toBe(700);
    expect(() => UndoLedger.open(statePath)).toThrow(/is in use by process/);
    child.process.kill('SIGKILL');
    await child.ended;
    await gone(held);
    expect(adjOf(target.pid)).toBe(700);
    expect(existsSync(statePath)).toBe(true);

    using ledger = UndoLedger.open(statePath);
    const entry = { pid: target.pid, before: '0', written: '700' };
    expect(ledger.undoAll()).toMatchObject([{ entry, outcome: 'restored' }]);
    const { fired } = open({ ledger });
    expect(adjOf(target.pid)).toBe(0);
    expect(readFileSync(statePath, 'utf8')).toBe('');
    // These fruitless reclaim rounds would have fired the arming. Instead, the kernel kills the larger process.
    expect((await startHog(group, ['--max', String(256 * MIB)]).ended).signal).toBe('SIGKILL');
    await settled();
    expect(handleOf(target).stillSame()).toBe(true);
    expect(fired).toEqual([]);
  });

  test('can hang: the BPF program still signals, but not after the arming has expired', async () => {
    for (const [expiresInMs, waitMs, signalled] of [
      [60_000, 0, true],
      [100, 150, false],
    ] as const) {
      const group = createMemoryGroup({ limitBytes: 64 * MIB });
      const target = await holder(group, 20 * MIB);
      const handle = handleOf(target);
      // the oom_score_adj is not raised, so the kernel kills the larger process
      const { child } = await armingChild(group, target, expiresInMs, 0);
      child.process.kill('SIGSTOP');
      await sleep(waitMs);
      expect((await startHog(group, ['--max', String(256 * MIB)]).ended).signal).toBe('SIGKILL');
      await settled();
      expect(handle.stillSame()).toBe(!signalled);
      child.process.kill('SIGKILL');
      await child.ended;
    }
  });

  test('leaves no BPF object and no raised oom_score_adj behind when it ends normally', async () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const target = await holder(group, 20 * MIB);
    const { child, held, statePath } = await armingChild(group, target, 60_000);
    child.process.stdin?.end();
    expect(await child.ended).toMatchObject({ code: 0, stderr: '' });
    await gone(held);
    expect(adjOf(target.pid)).toBe(0);
    expect(existsSync(statePath)).toBe(false);
  });
});
