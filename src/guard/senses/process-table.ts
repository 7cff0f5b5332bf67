/**
 * Reads all processes with the values that the guard's rules need. Each scan reads /proc/PID/stat of every process. It
 * reads the other files only of processes that are large, new or perhaps swapped.
 */
import { ownerOf } from '../../containers/container-path.ts';
import { environment, pidNamespace, pidsIn, processFiles, workingDirectory } from '../../linux/process-reader.ts';
import type { SampledProcess } from '../../model/sample.ts';
import { GrowthWindow } from '../../series/growth.ts';
import { isTruncated } from '../rules/match.ts';

export interface ProcessTableOptions {
  proc?: string;
  /**
   * Read the command line, which only some rules need; `truncated`: of processes whose name the kernel has truncated.
   */
  cmdline?: boolean | 'truncated';
  exe?: boolean | 'truncated';
  cwd?: boolean;
  environ?: boolean;
  oomScore?: boolean;
}

interface Known {
  sample: SampledProcess;
  growth: GrowthWindow | undefined;
  atMs: number;
}

/**
 * For processes with at least this much memory, `status`, `oom_score_adj` and `cgroup` are read in every scan. A process
 * is often small in the cgroup of its parent, moves to its own cgroup, and grows there.
 */
const LARGE_BYTES = 4 * 2 ** 20;
/** Growth is computed only for processes with at least this much memory. */
const FOLLOWED_BYTES = 2 ** 20;
/** Kernel threads, and the files of other processes that rarely change, are read again in every 16th scan. */
const REFRESH_PASSES = 16;
const GROWTH_SAMPLES = 20;
const RECENT_SECONDS = 1;
/** Growth is computed anew if there was no scan for longer than this (ms). */
const GAP_MS = 3000;

export class ProcessTable {
  readonly #options: Required<ProcessTableOptions>;
  readonly #known = new Map<number, Known>();
  #pass = 0;

  constructor({ proc = '/proc', cmdline = true, exe = true, oomScore = false, ...others }: ProcessTableOptions = {}) {
    this.#options = { proc, cmdline, exe, oomScore, cwd: others.cwd ?? false, environ: others.environ ?? false };
  }

  /**
   * Reads all processes, including kernel threads. @param swapped whether swap is in use; then a process with little
   * resident memory may hold much swap
   */
  scan(nowMs: number, swapped: boolean): SampledProcess[] {
    this.#pass++;
    const pids = pidsIn(this.#options.proc);
    for (const pid of this.#known.keys()) if (!pids.has(pid)) this.#known.delete(pid);
    for (const pid of pids) {
      const known = this.#known.get(pid);
      // each scan refreshes another part of the processes, so that all scans take about the same time
      const refresh = (pid + this.#pass) % REFRESH_PASSES === 0;
      if (known?.sample.kernel_thread && !refresh) continue;
      this.#read(pid, known, nowMs, { all: refresh, swap: swapped });
    }
    return [...this.#known.values()].map(({ sample }) => sample);
  }

  /** Reads all files of one process. undefined: the process has exited. */
  read(pid: number, nowMs: number): SampledProcess | undefined {
    this.#read(pid, this.#known.get(pid), nowMs, { all: true, swap: true });
    return this.#known.get(pid)?.sample;
  }

  #read(pid: number, known: Known | undefined, nowMs: number, read: { all: boolean; swap: boolean }): void {
    const directory = `${this.#options.proc}/${pid}`;
    const stat = processFiles.stat(directory);
    if (!stat) {
      this.#known.delete(pid); // the process has just exited
      return;
    }
    const same = known !== undefined && known.sample.start_ticks === stat.startTicks;
    const before = same ? known.sample : undefined;
    const sample: SampledProcess = {
      pid,
      start_ticks: stat.startTicks,
      ppid: stat.ppid,
      pgid: stat.pgid,
      uid: before?.uid ?? null,
      comm: stat.comm,
      exe: before?.exe ?? null,
      cmdline: before?.cmdline ?? null,
      ...(before?.cwd !== undefined && { cwd: before.cwd }),
      ...(before?.environ !== undefined && { environ: before.environ }),
      ...(stat.stackStart ? { stack_start: stat.stackStart } : {}),
      ...(before?.pid_namespace && { pid_namespace: before.pid_namespace }),
      state: stat.state,
      dying: stat.exiting,
      kernel_thread: stat.kernelThread,
      rss_bytes: stat.rssBytes,
      swap_bytes: before?.swap_bytes ?? 0,
      shmem_bytes: before?.shmem_bytes ?? 0,
      page_tables_bytes: before?.page_tables_bytes ?? 0,
      oom_score: before?.oom_score ?? null,
      oom_score_adj: before?.oom_score_adj ?? 0,
      cgroup: before?.cgroup ?? null,
      unit: before?.unit ?? null,
      pod: before?.pod ?? null,
      container: before?.container ?? null,
      growth_bytes_per_second: null,
    };
    const all = read.all || before?.comm !== sample.comm; // after execve(2), the name usually differs
    if (!sample.kernel_thread && (all || read.swap || stat.rssBytes >= LARGE_BYTES))
      this.#complete(sample, directory, all);
    const held = sample.rss_bytes + sample.swap_bytes;
    const followed = same && nowMs - known.atMs < GAP_MS ? known.growth : undefined;
    const growth = held < FOLLOWED_BYTES ? undefined : (followed ?? new GrowthWindow(GROWTH_SAMPLES));
    growth?.add(nowMs / 1000, held);
    if (growth && growth.count > 1) {
      sample.growth_bytes_per_second = Math.round(growth.slope()?.perSecond ?? 0);
      sample.recent_growth_bytes_per_second = Math.round(growth.slope(RECENT_SECONDS)?.perSecond ?? 0);
    }
    this.#known.set(pid, { sample, growth, atMs: nowMs });
  }

  /** @param all whether to read also the values that rarely change */
  #complete(sample: SampledProcess, directory: string, all: boolean): void {
    const status = processFiles.status(directory);
    if (status) {
      sample.uid = status.uid;
      if (status.innerPid !== null)
        sample.pid_namespace ??= { id: pidNamespace(directory), init: status.innerPid === 1 };
      sample.swap_bytes = status.swapBytes;
      sample.page_tables_bytes = status.pageTablesBytes;
      // A process that has given up its address space may not have freed its shared memory yet.
      if (status.hasMemory || !sample.dying) sample.shmem_bytes = status.shmemBytes;
      if (status.hasMemory) sample.rss_bytes = status.rssBytes;
      sample.dying ||= status.killPending;
    }
    const adj = processFiles.oom_score_adj(directory);
    if (adj) sample.oom_score_adj = adj.oomScoreAdj;
    if (all || sample.rss_bytes + sample.swap_bytes >= LARGE_BYTES) this.#locate(sample, directory);
    const { cmdline, exe, cwd, environ, oomScore } = this.#options;
    if (oomScore) sample.oom_score = processFiles.oom_score(directory)?.oomScore ?? null;
    const wants = (read: boolean | 'truncated') => read === true || (read === 'truncated' && isTruncated(sample.comm));
    if (all && wants(cmdline)) {
      const args = processFiles.cmdline(directory)?.args ?? [];
      sample.cmdline = args.length > 0 ? args.join(' ') : null;
    }
    if (all && cwd) sample.cwd = workingDirectory(directory);
    if (all && environ) sample.environ = environment(directory);
    if (all && wants(exe)) sample.exe = processFiles.exe(directory)?.exe ?? null;
  }

  /** Reads the cgroup of a process, and of which unit, pod and container that is. */
  #locate(sample: SampledProcess, directory: string): void {
    // On cgroup v1 an exiting process seems to be in "/" (kernel/cgroup/cgroup.c: proc_cgroup_show()).
    const isKnown = sample.cgroup !== null;
    if (isKnown && sample.dying) return;
    const found = processFiles.cgroup(directory);
    if (!found || found.cgroup === sample.cgroup) return;
    if (isKnown && found.cgroup === '/' && processFiles.stat(directory)?.exiting !== false) return;
    Object.assign(sample, found, ownerOf(found.cgroup));
  }
}
