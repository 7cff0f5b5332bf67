/**
 * All processes as the guard's policy needs to know them. A pass reads /proc/PID/stat of each; what it takes more files to
 * know is read where it matters: of what is large or swapped, and of what has not been seen before.
 */
import { readlinkSync } from 'node:fs';
import { ownerOf } from '../../containers/container-path.ts';
import { pageBytes } from '../../linux/page-size.ts';
import { endOfName, nameIn, PF_EXITING, PF_KTHREAD, pidsIn, statField } from '../../linux/proc-stat.ts';
import { memoryCgroup } from '../../linux/process.ts';
import { numberAt, numberOf, readSmallFile } from '../../linux/small-file.ts';
import type { SampledProcess } from '../../model/sample.ts';
import { GrowthWindow } from '../../series/growth.ts';
import { decode } from '../../text/printable.ts';

export interface ProcessTableOptions {
  proc?: string;
  /** Read what only rules about them need. */
  cmdline?: boolean;
  exe?: boolean;
  oomScore?: boolean;
}

interface Known {
  sample: SampledProcess;
  growth: GrowthWindow | undefined;
  atMs: number;
}

/** From here on all files of a process are read in every pass. */
const LARGE_BYTES = 4 * 2 ** 20;
/** From here on its growth is followed. */
const FOLLOWED_BYTES = 16 * 2 ** 20;
/** How often what seldom changes is read again: threads of the kernel, small processes. */
const REFRESH_PASSES = 16;
const GROWTH_SAMPLES = 20;
const GAP_MS = 3000;
const MOST_CMDLINE = 4096;
const SIGKILL_BIT = 1 << 8;

export class ProcessTable {
  readonly #options: Required<ProcessTableOptions>;
  readonly #page = pageBytes();
  readonly #known = new Map<number, Known>();
  #pass = 0;

  constructor({ proc = '/proc', cmdline = true, exe = true, oomScore = false }: ProcessTableOptions = {}) {
    this.#options = { proc, cmdline, exe, oomScore };
  }

  /** Everyone, kernel threads too. @param nowMs for growth. @param swapped swap is in use: small ones may be large there */
  scan(nowMs: number, swapped: boolean): SampledProcess[] {
    this.#pass++;
    const pids = pidsIn(this.#options.proc);
    for (const pid of this.#known.keys()) if (!pids.has(pid)) this.#known.delete(pid);
    for (const pid of pids) {
      const known = this.#known.get(pid);
      const refresh = (pid + this.#pass) % REFRESH_PASSES === 0; // in turns: no pass is much longer than another
      if (known?.sample.kernel_thread && !refresh) continue;
      this.#look(pid, known, nowMs, { all: refresh, swap: swapped });
    }
    return [...this.#known.values()].map(({ sample }) => sample);
  }

  /** One, all of it, as it is now. undefined: it is gone. */
  read(pid: number, nowMs: number): SampledProcess | undefined {
    this.#look(pid, this.#known.get(pid), nowMs, { all: true, swap: true });
    return this.#known.get(pid)?.sample;
  }

  #look(pid: number, known: Known | undefined, nowMs: number, read: { all: boolean; swap: boolean }): void {
    const directory = `${this.#options.proc}/${pid}`;
    const stat = readSmallFile(`${directory}/stat`);
    const close = stat ? endOfName(stat) : -1;
    if (!stat || close < 0) {
      this.#known.delete(pid); // it has just ended
      return;
    }
    const flags = statField(stat, close, 9);
    const rss = statField(stat, close, 24) * this.#page;
    const ticks = statField(stat, close, 22);
    const state = String.fromCharCode(stat[close + 2] ?? 0x3f);
    const same = known !== undefined && known.sample.start_ticks === ticks;
    const before = same ? known.sample : undefined;
    const sample: SampledProcess = {
      pid,
      start_ticks: ticks,
      ppid: statField(stat, close, 4),
      pgid: statField(stat, close, 5),
      uid: before?.uid ?? null,
      comm: nameIn(stat, close),
      exe: before?.exe ?? null,
      cmdline: before?.cmdline ?? null,
      state,
      dying: (flags & PF_EXITING) !== 0 || state === 'Z' || state === 'X',
      kernel_thread: (flags & PF_KTHREAD) !== 0,
      rss_bytes: rss,
      swap_bytes: before?.swap_bytes ?? 0,
      page_tables_bytes: before?.page_tables_bytes ?? 0,
      oom_score: before?.oom_score ?? null,
      oom_score_adj: before?.oom_score_adj ?? 0,
      cgroup: before?.cgroup ?? null,
      unit: before?.unit ?? null,
      pod: before?.pod ?? null,
      container: before?.container ?? null,
      growth_bytes_per_second: null,
    };
    const all = read.all || before?.comm !== sample.comm; // another name: another program, perhaps
    if (!sample.kernel_thread && (all || read.swap || rss >= LARGE_BYTES)) this.#complete(sample, directory, all);
    const held = sample.rss_bytes + sample.swap_bytes;
    // What it did before nobody looked for a while says nothing of now.
    const followed = same && nowMs - known.atMs < GAP_MS ? known.growth : undefined;
    const growth = held < FOLLOWED_BYTES ? undefined : (followed ?? new GrowthWindow(GROWTH_SAMPLES));
    growth?.add(nowMs / 1000, held);
    sample.growth_bytes_per_second = growth && growth.count > 2 ? Math.round(growth.slope()?.perSecond ?? 0) : null;
    this.#known.set(pid, { sample, growth, atMs: nowMs });
  }

  /** @param all with what seldom changes */
  #complete(sample: SampledProcess, directory: string, all: boolean): void {
    const status = readSmallFile(`${directory}/status`);
    if (status) {
      sample.uid = numberOf(status, 'Uid:') ?? null;
      sample.swap_bytes = (numberOf(status, 'VmSwap:') ?? 0) * 1024;
      sample.page_tables_bytes = (numberOf(status, 'VmPTE:') ?? 0) * 1024;
      sample.rss_bytes = (numberOf(status, 'VmRSS:') ?? sample.rss_bytes / 1024) * 1024;
      const text = status.toString('latin1');
      const [, own = '0'] = /^SigPnd:\t([0-9a-f]+)$/m.exec(text) ?? [];
      const [, shared = '0'] = /^ShdPnd:\t([0-9a-f]+)$/m.exec(text) ?? [];
      const pending = Number.parseInt(own.slice(-4), 16) | Number.parseInt(shared.slice(-4), 16);
      sample.dying ||= (pending & SIGKILL_BIT) !== 0;
    }
    const adj = readSmallFile(`${directory}/oom_score_adj`)?.toString('latin1');
    if (adj !== undefined) sample.oom_score_adj = Number.parseInt(adj, 10);
    const cgroup = all ? readSmallFile(`${directory}/cgroup`) : undefined;
    if (cgroup) {
      const path = memoryCgroup(cgroup.toString('utf8')) ?? null;
      if (path !== sample.cgroup) Object.assign(sample, { cgroup: path, ...ownerOf(path) });
    }
    const { cmdline, exe, oomScore } = this.#options;
    if (oomScore) {
      const score = readSmallFile(`${directory}/oom_score`);
      sample.oom_score = score ? numberAt(score) : null;
    }
    if (cmdline && all) {
      const bytes = readSmallFile(`${directory}/cmdline`)?.subarray(0, MOST_CMDLINE);
      sample.cmdline = bytes && bytes.length > 0 ? decode(bytes).text.replace(/\0$/, '').replaceAll('\0', ' ') : null;
    }
    if (exe && all) sample.exe = link(`${directory}/exe`);
  }
}

function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
