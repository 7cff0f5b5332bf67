import { ownerOf } from '../containers/container-path.ts';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import {
  type BadnessDomain,
  badnessRules,
  byBadness,
  oomBadness,
  sparedBy,
  type Weighed,
} from '../kernel-facts/oom-badness.ts';
import { kernelVersion } from '../linux/capabilities.ts';
import { CgroupPathCache } from '../linux/cgroup-path-cache.ts';
import { pageBytes } from '../linux/page-size.ts';
import { readProcess } from '../linux/process-reader.ts';
import { type CgroupOwner, noOwner } from '../model/container.ts';
import type { Score, ScoreSample, Spared } from '../model/score.ts';
import { GrowthWindow, growthOf } from '../series/growth.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { openTaskTable } from './open-task-table.ts';
import { cgroupDomain, type ScoreDomain, systemDomain } from './score-domain.ts';
import type { ScoredProcess, TaskTable } from './task-table.ts';

/** What a sample lists, and in which order. */
export interface ScoresOptions {
  /** The number of processes to list. Default 10. */
  top?: number;
  /** The path of a cgroup: rank the processes as if its limit were hit. Default: as if the system ran out of memory. */
  domain?: string;
  /** Lists only processes for which it returns true. Ranks still count all processes. */
  filter?: (score: Score) => boolean;
  /** The value to sort by, the largest first. Default `badness`, the kernel's order. */
  sort?: ScoreSort;
  /** Also lists processes that the kernel never chooses, after the others. Default false. */
  spared?: boolean;
  /** Finds the owner of a cgroup. Default: only from its path. */
  ownerOf?: (path: string | null) => CgroupOwner;
  /** How processes are read. Default: by a BPF iterator if it can be loaded, otherwise from /proc. */
  backend?: TaskTable['backend'];
}

/** The value by which a list of processes is sorted, the largest first. */
export type ScoreSort = 'badness' | 'memory' | 'swap' | 'growth' | 'adj';

/** The growth of this many processes is measured: of the largest ones. */
const FOLLOWED = 256;
/** The minimum time between two listings of all cgroups. A process in a new cgroup causes a listing. */
const RELIST_MS = 500;

/** Ranks all processes by badness at each call of sample(). */
export class ScoreSampler implements Disposable {
  readonly table: TaskTable;
  readonly #options: ScoresOptions;
  readonly #envelopes = new EnvelopeFactory();
  readonly #badness = { pageBytes: pageBytes(), rules: badnessRules(kernelVersion()) };
  readonly #cgroups = new CgroupPathCache({ relistMs: RELIST_MS });
  #growth = new Map<string, GrowthWindow>();

  /** @throws OomscopeError USAGE: there is no such cgroup. Other codes: the named backend cannot be opened */
  constructor(options: ScoresOptions = {}) {
    this.#options = options;
    this.#domain(); // throws if the cgroup does not exist, before anything is opened
    this.table = openTaskTable(options.backend);
  }

  /** @throws OomscopeError USAGE: the cgroup has been removed */
  sample(): ScoreSample {
    const domain = this.#domain();
    const weighed = this.table.read().filter((entry) => domain.contains(entry));
    this.#follow(weighed, performance.now() / 1000);
    const ranked = rankByBadness(weighed, { ...this.#badness, bytes: domain.totalBytes });
    const spared = ranked.findIndex(({ points }) => points === null);
    const candidates = spared < 0 ? ranked.length : spared;
    const now = process.hrtime.bigint();
    return {
      ...this.#envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope:scores', messageOf(ranked[0], domain)),
      type: 'score.sample',
      domain: domain.subject,
      domain_bytes: domain.totalBytes,
      available_bytes: domain.availableBytes,
      candidates,
      scores: this.#list(this.#options.spared ? ranked : ranked.slice(0, candidates), domain),
    };
  }

  close(): void {
    this.table.close();
    this.#growth.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #domain(): ScoreDomain {
    return this.#options.domain === undefined ? systemDomain() : cgroupDomain(this.#options.domain);
  }

  /** The processes to list, filtered, sorted and cut. */
  #list(ranked: readonly Ranked[], domain: ScoreDomain): Score[] {
    const { top = 10, filter = () => true, sort = 'badness' } = this.#options;
    const scores: Score[] = [];
    for (const [i, each] of ranked.entries()) {
      if (sort === 'badness' && scores.length === top) break; // `ranked` is already in this order
      const score = this.#score(each, each.points === null ? null : i + 1, domain);
      if (filter(score)) scores.push(score);
    }
    const listed = scores.sort(orders[sort]).slice(0, top);
    for (const score of listed) this.#complete(score);
    return listed;
  }

  /** Adds a sample to the growth of the largest processes, and drops the growth of all others. */
  #follow(entries: ScoredProcess[], seconds: number): void {
    const least = Float64Array.from(entries, heldBytes).sort().at(-FOLLOWED) ?? 0;
    const larger = entries.filter((entry) => heldBytes(entry) > least);
    const equal = entries.filter((entry) => heldBytes(entry) === least);
    const followed = new Map<string, GrowthWindow>();
    for (const entry of [...larger, ...equal].slice(0, FOLLOWED)) {
      const key = identity(entry);
      const window = this.#growth.get(key) ?? new GrowthWindow();
      window.add(seconds, heldBytes(entry));
      followed.set(key, window);
    }
    this.#growth = followed;
  }

  #score({ entry, points, spared }: Ranked, rank: number | null, domain: ScoreDomain): Score {
    const held = heldBytes(entry) + entry.pageTablesBytes;
    const perMille = (bytes: number) => Math.round((bytes / domain.totalBytes) * 10_000) / 10;
    return {
      rank,
      spared,
      pid: entry.pid,
      start_ticks: entry.startTicks,
      uid: entry.uid,
      comm: entry.comm,
      cgroup: this.#cgroupOf(entry),
      ...noOwner,
      oom_score: null,
      oom_score_adj: entry.oomScoreAdj,
      badness_pages: points,
      badness_per_mille: points === null ? null : perMille(points * this.#badness.pageBytes),
      memory_per_mille: perMille(held),
      rss_bytes: entry.rssBytes,
      anon_rss_bytes: entry.anonBytes,
      file_rss_bytes: entry.fileBytes,
      shmem_rss_bytes: entry.shmemBytes,
      swap_bytes: entry.swapBytes,
      page_tables_bytes: entry.pageTablesBytes,
      growth: growthOf(this.#growth.get(identity(entry))?.slope(), domain.availableBytes),
    };
  }

  #cgroupOf({ cgroup, cgroupId }: ScoredProcess): string | null {
    if (cgroup !== null || cgroupId === null) return cgroup;
    return this.#cgroups.path(BigInt(cgroupId)) ?? null;
  }

  /** Adds the fields that need more files to be read. Only listed processes get them. */
  #complete(score: Score): void {
    score.oom_score = readProcess(score.pid, ['oom_score'])?.oomScore ?? null;
    Object.assign(score, (this.#options.ownerOf ?? ownerOf)(score.cgroup));
  }
}

interface Ranked extends Weighed {
  entry: ScoredProcess;
  spared: Spared | null;
}

/** Sorts processes in the order in which the kernel would choose them. Those that it never chooses come last. */
export function rankByBadness(entries: readonly ScoredProcess[], domain: BadnessDomain): Ranked[] {
  const weigh = (entry: ScoredProcess): Ranked => {
    const { pid, startTicks } = entry;
    return { entry, pid, startTicks, points: oomBadness(entry, domain), spared: sparedBy(entry) };
  };
  return entries.map(weigh).sort(byBadness);
}

const orders: Record<ScoreSort, (a: Score, b: Score) => number> = {
  badness: () => 0, // already in this order
  memory: (a, b) => b.memory_per_mille - a.memory_per_mille,
  swap: (a, b) => b.swap_bytes - a.swap_bytes,
  growth: (a, b) => leastGrowth(b) - leastGrowth(a),
  adj: (a, b) => b.oom_score_adj - a.oom_score_adj,
};

/** The lower end of the confidence interval of the growth, in bytes per second. */
const leastGrowth = ({ growth }: Score) =>
  growth ? growth.bytes_per_second - growth.uncertainty_bytes_per_second : -Infinity;

const heldBytes = ({ rssBytes, swapBytes }: ScoredProcess) => rssBytes + swapBytes;
const identity = ({ pid, startTicks }: ScoredProcess) => `${pid}:${startTicks}`;

function messageOf(first: Ranked | undefined, { subject }: ScoreDomain): string {
  const where = subject.scope === 'system' ? 'The system' : printable(subject.path);
  if (!first || first.spared !== null) return `${where} has no process that could be killed.`;
  const { comm, pid } = first.entry;
  const size = formatBytes(heldBytes(first.entry));
  return `If ${subject.scope === 'system' ? 'the system' : where} ran out of memory now, ${printable(comm)} (pid ${pid}, ${size}) would be killed.`;
}
