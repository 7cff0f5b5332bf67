/**
 * Ways in which a container ends with exit code 137, each with the author that the scene itself knows: it killed, or it
 * let another program kill.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MemoryGroup } from '../../src/demo/memory-group.ts';
import { openArming } from '../../src/guard/arming/arming.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import { memoryCgroup } from '../../src/linux/process-files.ts';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import { ProcessHandle } from '../../src/process/process-handle.ts';
import { type Daemon, runOptions } from './daemon.ts';
import type { ContainerEnd } from './watching.ts';

export interface Stage {
  daemon: Daemon;
  /** A group with a limit of 48 MiB, for containers without a limit of their own. */
  slice: MemoryGroup;
}

/** What a container's last event must say: `container.killed` with its author, or `container.oom`. */
export interface Truth {
  type: ContainerEnd['type'];
  /** For container.oom. */
  verdict?: string;
  /** The kind and the name of the author; null: there is none beside the OOM killer. */
  author: string | null;
  /** The pid of the sender, if the scene knows it. */
  sender?: number;
  /** A part of the reason. */
  reason?: string;
}

export interface KillerScene {
  kind: string;
  /** undefined: it can be played on this machine. */
  unavailable?: string | undefined;
  /** Starts a container with this name, and ends it. */
  play: (stage: Stage, name: string) => Promise<Truth>;
}

const EAT = ['tail', '/dev/zero'];
/** It hangs in a page fault where the OOM killer is disabled; a read(2) into new memory would fail instead. */
const GROW = ['sh', '-c', 'x=aaaaaaaa; while :; do x=$x$x; done'];
const SLEEP = ['sleep', '1000'];
const isV1 = memoryHierarchy()?.version === 1;
const v2 = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((path) => existsSync(`${path}/cgroup.controllers`));

const start = (daemon: Daemon, name: string, options: string[], command: string[]) =>
  daemon.command(runOptions(daemon, name, ['-d', ...options], command), true);

/** The pid of the container's main process. */
async function mainOf(daemon: Daemon, name: string): Promise<number> {
  return Number(await daemon.command(['inspect', '-f', '{{.State.Pid}}', name]));
}

const byRuntime = (reason?: string): Truth => ({
  ...{ type: 'container.killed', author: 'runtime dockerd' },
  ...(reason && { reason }),
});
const oom = (verdict: string): Truth => ({ type: 'container.oom', verdict, author: null });

/** Waits until the cgroup of a process holds nearly its limit. */
async function full(pid: number, bytes: number): Promise<void> {
  const path = join(memoryHierarchy()?.mount ?? '', memoryCgroup(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? '');
  const file = join(path, isV1 ? 'memory.usage_in_bytes' : 'memory.current');
  for (let i = 0; i < 200 && Number(readFileSync(file, 'latin1')) < bytes; i++) await sleep(20);
}

export const killerScenes: KillerScene[] = [
  {
    kind: 'OOM of the main process',
    async play({ daemon }, name) {
      await start(daemon, name, ['-m', '16m'], EAT);
      return oom('main_killed');
    },
  },
  {
    kind: 'OOM of a child, then rm --force',
    async play({ daemon }, name) {
      await start(daemon, name, ['-m', '16m'], ['sh', '-c', 'tail /dev/zero; sleep 1000']);
      await sleep(1000); // the child is dead after 100 ms, and the incident is over after 2 s
      await daemon.command(['rm', '--force', name]);
      return { ...oom('process_killed'), author: 'runtime dockerd', reason: 'told to' };
    },
  },
  {
    kind: 'OOM at the limit of the slice above',
    async play({ daemon, slice }, name) {
      await start(daemon, name, ['--cgroup-parent', slice.cgroupPath], EAT);
      return oom('main_killed');
    },
  },
  {
    kind: 'stuck at its limit, then kill',
    unavailable: isV1 ? undefined : 'cgroup v2 has no --oom-kill-disable',
    async play({ daemon }, name) {
      await start(daemon, name, ['-m', '16m', '--oom-kill-disable'], GROW);
      await full(await mainOf(daemon, name), 15 * 2 ** 20);
      await daemon.command(['kill', name]);
      return byRuntime('told to');
    },
  },
  {
    kind: 'kill',
    async play({ daemon }, name) {
      await start(daemon, name, [], SLEEP);
      await daemon.command(['kill', name]);
      return byRuntime('told to');
    },
  },
  {
    kind: 'stop, after its timeout',
    async play({ daemon }, name) {
      await start(daemon, name, [], SLEEP);
      await daemon.command(['stop', '--time', '1', name]);
      return byRuntime('did not end within 1 s of SIGTERM');
    },
  },
  {
    kind: 'rm --force',
    async play({ daemon }, name) {
      await start(daemon, name, [], ['sh', '-c', 'sleep 1000 & sleep 1000']);
      await daemon.command(['rm', '--force', name]);
      return byRuntime('told to');
    },
  },
  {
    kind: 'a failed probe, then stop',
    async play({ daemon }, name) {
      await start(daemon, name, [], SLEEP);
      await daemon.command(['exec', name, 'sh', '-c', 'exit 1'], true);
      await daemon.command(['stop', '--time', '1', name]);
      return byRuntime('did not end within 1 s of SIGTERM');
    },
  },
  {
    kind: 'cgroup.kill',
    unavailable: v2 === undefined ? 'there is no cgroup v2' : undefined,
    async play({ daemon }, name) {
      await start(daemon, name, [], SLEEP);
      const path = join(v2 as string, `oomscope-${process.pid}-${name}`);
      mkdirSync(path);
      writeFileSync(join(path, 'cgroup.procs'), String(await mainOf(daemon, name)));
      const writer = spawn('sh', ['-c', `echo 1 > ${path}/cgroup.kill`], { stdio: 'ignore' });
      await once(writer, 'exit');
      for (let i = 0; i < 100 && existsSync(path); i++) await sleep(20).then(() => remove(path));
      return { type: 'container.killed', author: 'process sh', sender: writer.pid as number };
    },
  },
  {
    kind: 'a shell on a terminal',
    async play({ daemon }, name) {
      await start(daemon, name, [], SLEEP);
      const pid = await mainOf(daemon, name);
      const shell = spawn('script', ['-qc', `bash -c 'echo $$; kill -KILL ${pid}'`, '/dev/null'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let said = '';
      shell.stdout.on('data', (text) => {
        said += text;
      });
      await once(shell, 'close');
      return { type: 'container.killed', author: 'user bash', sender: Number.parseInt(said, 10) };
    },
  },
  {
    kind: 'another process',
    async play({ daemon }, name) {
      await start(daemon, name, [], SLEEP);
      const pid = await mainOf(daemon, name);
      const sender = spawn('setsid', ['--wait', 'sh', '-c', `kill -KILL ${pid}; exec sleep 0.1`], { stdio: 'ignore' });
      await once(sender, 'exit');
      return { type: 'container.killed', author: 'process sh' };
    },
  },
  {
    kind: 'the guard, in the kernel',
    async play({ daemon }, name) {
      await start(daemon, name, ['-m', '32m'], ['sh', '-c', 'sleep 1; exec tail /dev/zero']);
      const pid = await mainOf(daemon, name);
      using handle = ProcessHandle.open({ pid, startTicks: startTicksOf(pid) as number });
      const path = memoryCgroup(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? '';
      const domain = statSync(join(memoryHierarchy()?.mount ?? '', path), { bigint: true }).ino;
      using arming = openArming();
      arming.arm(handle, { domain, fruitlessRounds: 2, signal: 'SIGKILL' }, { expiresInMs: 20_000 });
      const fired = await new Promise<string>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('expected the guard to fire')), 15_000);
        arming.fired$.subscribe(({ by, outcome }) => {
          clearTimeout(timer);
          resolve(`${by} ${outcome}`);
        });
      });
      await sleep(200);
      return { type: 'container.killed', author: fired === 'bpf signalled' ? 'guard oomscope' : `guard: ${fired}` };
    },
  },
  {
    kind: 'exit with 137 by itself',
    async play({ daemon }, name) {
      await start(daemon, name, [], ['sh', '-c', 'exit 137']);
      return { type: 'container.killed', author: 'self sh' };
    },
  },
];

/** The same form from an event. `truth` says which parts are compared. */
export function toldBy(end: ContainerEnd, truth: Truth): Truth {
  const author = end.type === 'container.killed' ? end.author : end.ended_by;
  const words = author?.reason?.words ?? '';
  return {
    type: end.type,
    ...(end.type === 'container.oom' && { verdict: end.verdict }),
    author: author ? `${author.kind} ${author.name}` : null,
    ...(truth.sender !== undefined && { sender: author?.process?.pid ?? Number.NaN }),
    ...(truth.reason !== undefined && { reason: words.includes(truth.reason) ? truth.reason : words }),
  };
}

function remove(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // its process has not ended yet
  }
}
