import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import { ProcessHandle } from '../../src/process/process-handle.ts';
import { survive } from '../../src/process/survival.ts';
import { schedulingOf } from '../scheduling.ts';
import { startUnreaped } from '../unreaped.ts';

const ticksOf = (pid: number) => startTicksOf(pid) as number;

function start(command: string, ...args: string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const pid = child.pid as number;
  return { child, pid, identity: { pid, startTicks: ticksOf(pid) }, exited: once(child, 'exit') };
}

function open(identity: { pid: number; startTicks: number }): ProcessHandle {
  const handle = ProcessHandle.open(identity);
  onTestFinished(() => handle.close());
  return handle;
}

async function unreaped(): Promise<ProcessHandle> {
  const pid = await startUnreaped();
  return open({ pid, startTicks: ticksOf(pid) });
}

test('signals the process that it was opened for, and reports its exit', async () => {
  const { identity, exited } = start('sleep', '60');
  const handle = open(identity);
  expect(handle.stillSame()).toBe(true);
  const before = process.hrtime.bigint();
  expect(handle.signal('SIGTERM')).toBe(true);
  const { monoNs } = await handle.exited;
  expect(monoNs).toBeGreaterThan(before);
  expect(monoNs).toBeLessThan(process.hrtime.bigint());
  expect(await exited).toEqual([null, 'SIGTERM']);
  expect(handle.stillSame()).toBe(false);
  expect(handle.signal('SIGKILL')).toBe(false);
  expect(await handle.release()).toBe('gone');
});

test('refuses a process with the same pid and another start time, and does not signal it', () => {
  const { child, identity } = start('sleep', '60');
  const other = { pid: identity.pid, startTicks: identity.startTicks - 1 };
  expect(() => ProcessHandle.open(other)).toThrow(
    expect.objectContaining({ code: 'PROCESS_GONE', message: expect.stringContaining(String(identity.startTicks)) }),
  );
  expect(child.exitCode ?? child.signalCode).toBeNull();
});

test('refuses a process that has exited, and pids that no process can have', async () => {
  const { identity, exited } = start('true');
  await exited;
  for (const pid of [identity.pid, 0, -1, 2 ** 30]) {
    expect(() => ProcessHandle.open({ pid, startTicks: identity.startTicks })).toThrow(
      expect.objectContaining({ code: 'PROCESS_GONE' }),
    );
  }
});

test.each([
  ['all the time', { realtimeSlices: undefined }],
  ['in slices', { realtimeSlices: { runMs: 2, everyMs: 20 } }],
])('gives a process that was sent SIGKILL the priority of the killer, that runs %s', async (_, slices) => {
  const { undo } = survive({ realtimePriority: 1, ...(slices.realtimeSlices && slices) });
  onTestFinished(undo);
  const killed = await unreaped();
  const terminated = await unreaped();
  expect(killed.signal('SIGKILL')).toBe(true);
  expect(terminated.signal('SIGTERM')).toBe(true);
  await Promise.all([killed.exited, terminated.exited]);
  const RR = 2;
  const real = slices.realtimeSlices === undefined; // slices are for machines with one CPU, where nothing else would run
  expect(schedulingOf(killed.pid)).toEqual({ nice: -8, priority: real ? 1 : 0, policy: real ? RR : 0 });
  expect(schedulingOf(terminated.pid)).toMatchObject({ nice: 0, policy: 0 });
  undo();
  const last = await unreaped();
  last.signal('SIGKILL');
  await last.exited;
  expect(schedulingOf(last.pid)).toMatchObject({ nice: -8, policy: 0 });
});

test('counts a zombie as exited, but not a process whose leader has exited before its other threads', async () => {
  const zombie = start('sh', '-c', 'sleep 0.05 & echo $!; exec sleep 60');
  const [line] = (await once(zombie.child.stdout, 'data')) as [Buffer];
  const pid = Number(line);
  const handle = open({ pid, startTicks: ticksOf(pid) });
  await handle.exited; // sleep does not wait for the child that it inherited
  expect(readFileSync(`/proc/${pid}/stat`, 'latin1')).toContain(') Z ');
  expect(handle.stillSame()).toBe(false);

  const script = `import os, threading, time, ctypes
t = threading.Thread(target=time.sleep, args=(60,)); t.start(); print("ready", flush=True)
ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)`;
  const leaderless = start('python3', '-c', script);
  await once(leaderless.child.stdout, 'data');
  while (!readFileSync(`/proc/${leaderless.pid}/stat`, 'latin1').includes(') Z ')) await sleep(5);
  const threaded = open(leaderless.identity);
  expect(threaded.stillSame()).toBe(true);
  expect(threaded.signal('SIGKILL')).toBe(true);
  await threaded.exited;
  expect(await leaderless.exited).toEqual([null, 'SIGKILL']);
});

test('reports the exit of a process that is not a child of this one', async () => {
  const parent = start('sh', '-c', 'sleep 60 & echo $!; wait; exec sleep 60');
  const [line] = (await once(parent.child.stdout, 'data')) as [Buffer];
  const pid = Number(line);
  const handle = open({ pid, startTicks: ticksOf(pid) });
  expect(handle.signal('SIGKILL')).toBe(true);
  await handle.exited;
  expect(handle.stillSame()).toBe(false);
});

test('releases the memory of dying processes only', async () => {
  expect(await open(start('sleep', '60').identity).release()).toBe('not dying');
});

test('closes every descriptor of a thousand handles, half of them closed while they wait', async () => {
  const { identity, child } = start('sleep', '60');
  const handles = Array.from({ length: 1000 }, () => ProcessHandle.open(identity));
  const ends = handles.map((handle) => handle.exited);
  let reported = 0;
  for (const end of ends) void end.then(() => reported++);
  for (const handle of handles.filter((_, i) => i % 2 === 0)) handle.close();
  child.kill('SIGKILL');
  await expect.poll(() => reported).toBe(500);
  await sleep(50);
  expect(reported).toBe(500); // and none of a closed handle
  for (const handle of handles) handle.close();
  const descriptors = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the descriptor of the directory itself
    }
  });
  expect(descriptors.filter((name) => /pidfd|\/stat$/.test(name))).toEqual([]);
  expect(() => handles[0]?.fd).toThrow(expect.objectContaining({ code: 'CLOSED' }));
});
