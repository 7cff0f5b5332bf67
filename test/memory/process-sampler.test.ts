import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pageBytes } from '../../src/linux/page-size.ts';
import { largest, ProcessSampler } from '../../src/memory/process-sampler.ts';

/** With this `most`, one pass reads all processes of this machine. */
const EVERY_PROCESS = 2 ** 22;

describe('the processes of this machine', () => {
  it('include this process with the right fields', () => {
    using processes = new ProcessSampler({ swap: true, most: EVERY_PROCESS });
    const found = processes.sample().get(process.pid);
    const stat = readFileSync('/proc/self/stat', 'utf8');
    expect(found).toMatchObject({
      pid: process.pid,
      ppid: process.ppid,
      comm: readFileSync('/proc/self/comm', 'utf8').trimEnd(),
      startTicks: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]),
      kernelThread: false,
    });
    const rss = process.memoryUsage.rss();
    expect(Math.abs((found?.rssBytes ?? 0) - rss)).toBeLessThan(rss / 2);
    expect(found?.swapBytes).not.toBeNull();
    expect(found?.cgroup).toMatch(/^\//);
    expect(processes.sample().get(2)?.kernelThread).toBe(true); // kthreadd
  });

  it('appear after they start, and disappear after they exit', async () => {
    using processes = new ProcessSampler({ most: EVERY_PROCESS });
    processes.sample();
    const child = spawn('sleep', ['60']);
    const pid = child.pid as number;
    try {
      expect(processes.sample().get(pid)).toMatchObject({ ppid: process.pid });
    } finally {
      child.kill();
    }
    await new Promise((resolve) => child.once('close', resolve));
    expect(processes.sample().has(pid)).toBe(false);
  });
});

/** A simulated /proc, because no test can create thousands of processes, hostile names and reused pids. */
describe('with a simulated /proc, the sampler', () => {
  let proc: string;
  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), 'oomscope-proc-'));
  });
  afterEach(() => rmSync(proc, { recursive: true }));

  function put(pid: number, { comm = 'x', pages = 10, ticks = 1, flags = 0 } = {}): void {
    mkdirSync(join(proc, String(pid)), { recursive: true });
    const numbers = ['S', 1, 2, 3, 4, 5, flags, ...new Array(12).fill(0), ticks, 0, pages, 0];
    writeFileSync(join(proc, String(pid), 'stat'), `${pid} (${comm}) ${numbers.join(' ')}\n`);
    writeFileSync(join(proc, String(pid), 'cgroup'), `0::/of/${pid}\n`);
  }

  it('reads process names with any characters', () => {
    put(7, { comm: ') R 1 (\n9 x', pages: 3, ticks: 42 });
    const found = new ProcessSampler({ proc }).sample().get(7);
    expect(found).toMatchObject({ comm: ') R 1 (\n9 x', startTicks: 42, ppid: 1, cgroup: '/of/7' });
    expect(found?.rssBytes).toBe(3 * pageBytes());
  });

  it('treats a process with a reused pid as a new process', () => {
    put(7, { ticks: 1 });
    const processes = new ProcessSampler({ proc });
    const first = processes.sample().get(7);
    put(7, { ticks: 2, comm: 'other' });
    const second = processes.sample().get(7);
    expect(second).not.toBe(first);
    expect(second).toMatchObject({ startTicks: 2, comm: 'other' });
  });

  it('reads at most `most` processes in a pass: large ones always, small ones in turn', () => {
    const large = (20 * 2 ** 20) / pageBytes();
    for (let pid = 1; pid <= 200; pid++) put(pid, { pages: pid <= 10 ? large : 1 });
    let ms = 0;
    const processes = new ProcessSampler({ proc, most: 50, now: () => ms });
    for (; ms < 5; ms++) processes.sample();
    expect(processes.sample().size).toBe(200);
    for (let pass = 0; pass < 20; pass++) {
      ms++;
      const readNow = [...processes.sample().values()].filter(({ readMs }) => readMs === ms);
      expect(readNow.length).toBeLessThanOrEqual(50);
      expect(readNow.filter(({ pid }) => pid <= 10)).toHaveLength(10);
    }
    expect(Math.min(...[...processes.sample().values()].map(({ readMs }) => readMs))).toBeGreaterThan(ms - 8);
  });

  it('never returns kernel threads among the largest processes', () => {
    put(2, { flags: 0x00200000, pages: 1000 });
    for (const [pid, pages] of [
      [3, 5],
      [4, 9],
      [5, 1],
      [6, 7],
    ] as const)
      put(pid, { pages });
    const top = largest(new ProcessSampler({ proc }).sample().values(), 3);
    expect(top.map(({ pid }) => pid)).toEqual([4, 6, 3]);
  });
});
