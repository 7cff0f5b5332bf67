/**
 * Samples the machine for the guard. It reads the levels of memory often, from files that stay open, and processes only
 * when one may have to be killed. It samples only the cgroups that the rules name.
 */
import { Cgroupfs } from '../../linux/cgroupfs.ts';
import { loggedKill } from '../../linux/kernel-log-kill.ts';
import { parseMeminfo } from '../../linux/meminfo.ts';
import { TICKS_PER_SECOND, uptimeTicks } from '../../linux/process-reader.ts';
import { parsePressure } from '../../linux/psi.ts';
import { numberOf, SmallFile } from '../../linux/small-file.ts';
import { arcReclaimableBytes } from '../../linux/zfs-arc.ts';
import { Zram } from '../../linux/zram.ts';
import { OomscopeError } from '../../model/error.ts';
import {
  SAMPLE_SCHEMA,
  type Sample,
  type SampledCgroup,
  type SampledProcess,
  type SampledSystem,
} from '../../model/sample.ts';
import { GrowthWindow } from '../../series/growth.ts';
import { FILL_BYTES_PER_MS, FOLLOW_MS, type Slack, worthFollowing } from '../rules/pace.ts';
import type { Match, Rule } from '../rules/rule.ts';
import { CgroupTable } from './cgroup-table.ts';
import { averages, nothingMeasured, type PressureFeed, slopeOf, useOf } from './figures.ts';
import { type Limit, MoveWatch } from './move-watch.ts';
import { ProcessTable } from './process-table.ts';

export type { PressureFeed };

export interface SamplerOptions {
  rules: readonly Rule[];
  /** Processes that no rule kills, of which only what these conditions need is read. */
  protect?: readonly Match[];
  pressure?: PressureFeed | undefined;
  /** Read command lines, even if no rule matches them. */
  cmdline?: boolean | undefined;
  /** Read what any rule could need, except command lines: for a recording. */
  complete?: boolean | undefined;
  /** Reads the attributes `user.oomd_avoid` and `user.oomd_omit` of a cgroup's directory. */
  preference?: ((directory: string) => SampledCgroup['preference']) | undefined;
  proc?: string;
  sys?: string;
  cgroups?: Cgroupfs | undefined;
  now?: () => number;
}

/** A sample is due when memory has shrunk by more than this share of its slack, so that its growth is measured before a rule fires. */
const MOVED_SHARE = 0.25;
const KIB = 1024;

export class Sampler implements Disposable {
  readonly #options: SamplerOptions;
  readonly #now: () => number;
  readonly #cgroups: Cgroupfs | undefined;
  readonly #table: ProcessTable;
  readonly #meminfo: SmallFile | undefined;
  readonly #pressure: SmallFile | undefined;
  readonly #vmstat: SmallFile | undefined;
  readonly #uptime: SmallFile | undefined;
  readonly #arcstats: SmallFile | undefined;
  readonly #zram: Zram | undefined;
  readonly #growth = new GrowthWindow();
  readonly #moves = new MoveWatch();
  readonly #groups: CgroupTable | undefined;
  #followAt = 0;
  /** In the last sample. */
  #availableBytes = 0;
  /** Whether swap is in use. */
  #swapped = true;

  constructor(options: SamplerOptions) {
    const { proc = '/proc', rules, protect = [] } = options;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#cgroups = 'cgroups' in options ? options.cgroups : Cgroupfs.find();
    const places = rules.flatMap(({ on }) => on).filter(({ kind }) => kind !== 'system');
    const { pressure, preference } = options;
    this.#groups = this.#cgroups && new CgroupTable({ cgroups: this.#cgroups, places, pressure, preference });
    const matches = rules.flatMap(({ preferences, never }) => [...preferences.map(({ match }) => match), ...never]);
    matches.push(...protect);
    // The whole name of a process whose name the kernel has truncated (see match.ts).
    const names = matches.some(({ comm }) => comm !== undefined) ? 'truncated' : false;
    this.#table = new ProcessTable({
      proc,
      cmdline: options.cmdline || matches.some(({ cmdline }) => cmdline !== undefined) || names,
      exe: options.complete || matches.some(({ exe }) => exe !== undefined) || names,
      cwd: options.complete || matches.some(({ cwd }) => cwd !== undefined),
      environ: matches.some(({ environ }) => environ !== undefined),
      oomScore: options.complete || rules.some(({ rank }) => rank === 'oom_score'),
    });
    this.#meminfo = SmallFile.open(`${proc}/meminfo`);
    this.#pressure = SmallFile.open(`${proc}/pressure/memory`);
    this.#vmstat = SmallFile.open(`${proc}/vmstat`);
    this.#uptime = SmallFile.open(`${proc}/uptime`);
    this.#arcstats = SmallFile.open(`${proc}/spl/kstat/zfs/arcstats`);
    const needsZram = options.complete || rules.some(readsZram);
    this.#zram = needsZram ? new Zram(options.sys) : undefined;
  }

  /**
   * A sample without the process list. If a rule ranks by growth and memory is shrinking, processes are scanned anyway,
   * because growth needs earlier scans.
   */
  levels(): Sample {
    const nowMs = this.#now();
    const sample: Sample = {
      schema: SAMPLE_SCHEMA,
      mono_ms: nowMs,
      time: new Date().toISOString(),
      system: this.#system(nowMs),
      cgroups: this.#groups?.sample(nowMs) ?? [],
      processes: null,
    };
    if (nowMs >= this.#followAt && worthFollowing(this.#options.rules, sample)) this.#scan(nowMs);
    return sample;
  }

  /**
   * A sample with all processes, and with the cgroups that they are in. Without `levels`, the levels are read after the
   * processes: if a process exits in between, it is still in the list, but its memory already counts as available.
   */
  whole(levels?: Sample): Sample {
    const processes = this.#scan(this.#now());
    const found = levels ?? this.levels();
    const uptime = this.#uptime?.read();
    const since = uptime && { uptime_seconds: Number(uptime.toString('latin1').split(' ')[0]) };
    return {
      ...found,
      ...since,
      processes,
      cgroups: [...found.cgroups, ...(this.#groups?.around(processes, found) ?? [])],
    };
  }

  /** Whether memory has shrunk since the last sample by more than this share of the slack at any place. */
  moved(slack: readonly Slack[]): boolean {
    const nowMs = this.#now();
    return slack.some(({ path, bytes }) => {
      const shrunk = path === null ? this.#shrunkBytes() : (this.#groups?.grownBytes(path, nowMs) ?? Number.NaN);
      return Number.isNaN(shrunk) || shrunk > MOVED_SHARE * bytes;
    });
  }

  whenMoved(
    slack: readonly Slack[],
    onMoved: () => void,
    { leastMs, mostMs }: { leastMs: number; mostMs: number },
  ): boolean {
    const limits: (Limit & { everyMs: number })[] = [];
    for (const { path, bytes } of slack) {
      const room = MOVED_SHARE * bytes;
      const everyMs = Math.max(leastMs, room / FILL_BYTES_PER_MS.available);
      if (everyMs >= mostMs) continue; // until then, it cannot move so far
      const found = path === null ? this.#shrinking(room) : this.#groups?.growths(path, room);
      if (!found) return false;
      limits.push(...found.map((limit) => ({ ...limit, everyMs })));
    }
    return this.#moves.watch(limits, onMoved);
  }

  forgetMoves(): void {
    this.#moves.stop();
  }

  /** One process, read again; undefined: the process has exited. */
  process(pid: number): SampledProcess | undefined {
    return this.#table.read(pid, this.#now());
  }

  /** Number of processes that the kernel's OOM killer has killed since boot. null: unknown. */
  kernelKills(): number | null {
    const bytes = this.#vmstat?.read();
    return (bytes && numberOf(bytes, 'oom_kill')) ?? null;
  }

  /** Whether the kernel's OOM killer has killed this process. null: unknown. */
  killedByKernel({ pid, start_ticks }: Pick<SampledProcess, 'pid' | 'start_ticks'>): boolean | null {
    const ageUs = ((uptimeTicks() - start_ticks) / TICKS_PER_SECOND) * 1e6;
    return loggedKill(pid, Number(process.hrtime.bigint() / 1000n) - ageUs);
  }

  /** The directory of a cgroup. undefined: no memory controller is mounted. */
  directoryOf(path: string): string | undefined {
    return this.#cgroups?.directory(path);
  }

  close(): void {
    this.#moves.stop();
    this.#groups?.close();
    for (const file of [this.#meminfo, this.#pressure, this.#vmstat, this.#uptime, this.#arcstats]) file?.close();
    this.#zram?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** By how much less memory is available than in the last sample. NaN: unknown. */
  #shrunkBytes(): number {
    const bytes = this.#meminfo?.read();
    return bytes ? this.#availableBytes - (numberOf(bytes, 'MemAvailable:') ?? Number.NaN) * KIB : Number.NaN;
  }

  #shrinking(bytes: number): Limit[] {
    const least = (this.#availableBytes - bytes) / KIB;
    return [{ fd: this.#meminfo?.descriptor, name: 'MemAvailable:', least }];
  }

  #scan(nowMs: number): SampledProcess[] {
    this.#followAt = nowMs + FOLLOW_MS;
    return this.#table.scan(nowMs, this.#swapped);
  }

  #system(nowMs: number): SampledSystem {
    const meminfo = parseMeminfo(this.#meminfo?.read());
    // Without these figures, no memory would seem to be available.
    if (!meminfo?.totalBytes) throw new OomscopeError('SYSTEM_CALL', 'The file /proc/meminfo cannot be read.');
    const arc =
      this.#arcstats &&
      Math.min(arcReclaimableBytes(this.#arcstats.read()), meminfo.totalBytes - meminfo.availableBytes);
    const system = {
      total_bytes: meminfo.totalBytes,
      available_bytes: meminfo.availableBytes + (arc ?? 0),
      anon_bytes: meminfo.anonBytes,
      swap_total_bytes: meminfo.swapTotalBytes,
      swap_free_bytes: meminfo.swapFreeBytes,
      use: useOf(meminfo),
      ...(arc !== undefined && { arc_bytes: arc }),
      ...(this.#zram && { zram_bytes: this.#zram.usedBytes() }),
    };
    this.#availableBytes = meminfo.availableBytes;
    this.#swapped = system.swap_free_bytes < system.swap_total_bytes;
    this.#growth.add(nowMs / 1000, -(system.available_bytes + system.swap_free_bytes));
    return {
      ...system,
      pressure: averages(parsePressure(this.#pressure?.read())),
      growth_bytes_per_second: slopeOf(this.#growth),
      ...(this.#options.pressure?.('/') ?? nothingMeasured),
    };
  }
}

function readsZram({ when, steps }: Rule): boolean {
  return [when, ...steps.flatMap(({ if: conditions, atOnce }) => [conditions, atOnce])].some((detectors) =>
    detectors.some(({ metric }) => metric.name === 'zram'),
  );
}
