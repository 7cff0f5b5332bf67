/** One QEMU process from start to end. However this process ends, no QEMU and no file remains. */
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { copyDisk } from './debian.ts';
import { LabError } from './error.ts';
import { CHANNELS, type Channel, type Machine, qemuArguments } from './qemu.ts';
import { tools } from './tools.ts';

export interface Plan {
  machine: Machine;
  initramfs: Buffer;
  scratchMib: number;
  /** Path of the disk with Debian: with `kept` it is written to, otherwise a copy of it. */
  system: { disk: string; kept: boolean } | undefined;
  limitSeconds: number;
  /** Callbacks for output as it arrives. */
  on: Partial<Record<Channel, (chunk: Buffer) => void>>;
  signal?: AbortSignal | undefined;
}

export interface Attempt {
  /** All output, by channel. */
  received: Record<Channel, Buffer>;
  /** The lines of the control channel: see init.sh. */
  control: string[];
  seconds: number;
  /** undefined when the command was not started. */
  bootSeconds: number | undefined;
  timedOut: boolean;
}

export async function runOnce(plan: Plan): Promise<Attempt> {
  plan.signal?.throwIfAborted();
  const { child, started } = start(plan);
  const chunks: Record<Channel, Buffer[]> = { console: [], stdout: [], stderr: [], control: [], files: [], kmsg: [] };
  const lines = () => Buffer.concat(chunks.control).toString().split('\n').slice(0, -1);
  let bootSeconds: number | undefined;
  let timedOut = false;
  const kill = () => child.kill('SIGKILL');

  const closed = CHANNELS.map((channel, i) => {
    const stream = child.stdio[3 + i] as Readable;
    stream.on('data', (chunk: Buffer) => {
      chunks[channel].push(chunk);
      plan.on[channel]?.(chunk);
      if (channel !== 'control') return;
      if (bootSeconds === undefined && lines().includes('begin')) bootSeconds = secondsSince(started);
      if (lines().includes('done')) kill(); // the guest need not shut down properly
    });
    stream.on('error', () => {}); // the stream ends with QEMU, whose exit is handled
    return once(stream, 'close');
  });
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints += chunk;
  });
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, plan.limitSeconds * 1000);
  plan.signal?.addEventListener('abort', kill);
  process.once('exit', kill);
  try {
    await Promise.all([once(child, 'exit'), ...closed]);
  } finally {
    kill();
    clearTimeout(timer);
    plan.signal?.removeEventListener('abort', kill);
    process.off('exit', kill);
  }
  plan.signal?.throwIfAborted();
  if (child.exitCode !== null && child.exitCode !== 0) {
    throw new LabError('BOOT_FAILED', `QEMU ended with code ${child.exitCode}.`, { detail: complaints });
  }
  const received = Object.fromEntries(CHANNELS.map((channel) => [channel, Buffer.concat(chunks[channel])]));
  return {
    received: received as Record<Channel, Buffer>,
    control: lines(),
    seconds: secondsSince(started),
    bootSeconds,
    timedOut,
  };
}

/** Runs a guest whose console is this terminal. @returns QEMU's exit code */
export async function runShell(plan: Plan): Promise<number> {
  const { child } = start(plan);
  // Ctrl-C goes to the guest, because QEMU has set the terminal to raw mode.
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

function start(plan: Plan): { child: ChildProcess; started: number } {
  const { machine } = plan;
  const { setpriv } = tools();
  const fds = [openUnlinked('initramfs', (path) => writeFileSync(path, plan.initramfs))];
  try {
    fds.push(openUnlinked('scratch', (path) => makeScratchDisk(path, plan.scratchMib)));
    if (plan.system?.kept) fds.push(openSync(plan.system.disk, 'r+'));
    else if (plan.system) fds.push(copyOf(plan.system.disk));
    // The kernel ends QEMU when the thread that started QEMU ends.
    const terminal = machine.shell ? 'inherit' : 'ignore';
    const stdio: StdioOptions = [
      terminal,
      terminal,
      machine.shell ? 'inherit' : 'pipe',
      ...CHANNELS.map(() => (machine.shell ? 'ignore' : 'pipe') as 'ignore' | 'pipe'),
      ...fds,
    ];
    const child = spawn(setpriv, ['--pdeathsig', 'KILL', '--', machine.platform.qemu, ...qemuArguments(machine)], {
      stdio,
    });
    child.on('error', () => {}); // then there is no 'exit' event, and once(child, 'exit') throws this error
    return { child, started: performance.now() };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** An unlinked temporary file. */
function openUnlinked(name: string, make: (path: string) => void): number {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-lab-'));
  try {
    const path = join(directory, name);
    make(path);
    return openSync(path, 'r+');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const copyOf = (disk: string) => openUnlinked('system', (path) => copyDisk(disk, path));

/** A sparse file: it takes as much space as the guest writes. */
function makeScratchDisk(path: string, mib: number): void {
  writeFileSync(path, '');
  truncateSync(path, mib * 2 ** 20);
  const { status, stderr } = spawnSync(tools().mke2fs, [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-N',
    '4096',
    '-E',
    'lazy_itable_init=0',
    '-O',
    '^has_journal',
    path,
  ]);
  if (status !== 0)
    throw new LabError('BOOT_FAILED', 'mke2fs could not make the disk for /var/tmp.', { detail: String(stderr) });
}

const secondsSince = (ms: number) => Math.round(performance.now() - ms) / 1000;
