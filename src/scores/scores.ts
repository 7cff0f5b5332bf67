/**
 * Everybody's badness, as often as one likes: the table of who would be killed, in the kernel's order.
 */

import { Observable, timer } from 'rxjs';
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
import { kernelVersion, readIfPresent } from '../linux/capabilities.ts';
import { CgroupPaths } from '../linux/cgroup-paths.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { pageBytes } from '../linux/page-size.ts';
import type { CgroupOwner } from '../model/container.ts';
import { noOwner } from '../model/container.ts';
import type { Score, ScoreSample, Spared } from '../model/score.ts';
import { GrowthWindow, growthOf } from '../series/growth.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import { openTaskTable } from './open-task-table.ts';
import { cgroupDomain, type ScoreDomain, systemDomain } from './score-domain.ts';
import type { ScoredProcess, TaskTable } from './task-table.ts';

/** Options of a score table. */
export interface ScoresOptions {
  /** How many to list. Default 10. */
  top?: number;
  /** A cgroup whose limit would be hit; by default the system's memory. */
  domain?: string;
  /** Which processes to list; their ranks stay what they are. */
  filter?: (score: Score) => boolean;
  /** By what, the largest first. Default `badness`: the kernel's order. */
  sort?: ScoreSort;
  /** List those too that the kernel never chooses, last. */
  spared?: boolean;
  /** To whom a cgroup belongs; by its path alone unless given. */
  ownerOf?: (path: string | null) => CgroupOwner;
  /** Where the processes are read, for tests. By default in the kernel, by a BPF iterator, if that is possible. */
  backend?: TaskTable['backend'];
}

/** What a score table is sorted by, the largest first. */
export type ScoreSort = 'badness' | 'memory' | 'swap' | 'growth' | 'adj';

/** Options of `watchScores()`. */
export interface WatchScoresOptions extends ScoresOptions {
  /** Time between two tables. Default 1,000. */
  intervalMs?: number;
}

const names: OptionNames<WatchScoresOptions> = {
  top: true,
  domain: true,
  filter: true,
  sort: true,
  spared: true,
  ownerOf: true,
  backend: true,
  intervalMs: true,
};

/** Of how many processes growth is followed: the largest. */
const FOLLOWED = 256;

/**
 * Emits a table at once and then every `intervalMs`. Cold: each subscription opens its own. The stream fails with the
 * OomscopeError USAGE if there is no such cgroup.
 *
 * @throws OomscopeError USAGE: an option does not exist
 */
export function watchScores(options: WatchScoresOptions = {}): Observable<ScoreSample> {
  refuseUnknownOptions('watchScores()', options, names);
  return new Observable((subscriber) => {
    const scores = new Scores(options);
    const ticks = timer(0, options.intervalMs ?? 1000).subscribe({
      next: () => {
        try {
          subscriber.next(scores.sample());
        } catch (error) {
          subscriber.error(error);
        }
      },
    });
    return () => {
      ticks.unsubscribe();
      scores.close();
    };
  });
}

export class Scores implements Disposable {
  readonly table: TaskTable;
  readonly #options: ScoresOptions;
  readonly #envelopes = new EnvelopeFactory();
  readonly #badness = { pageBytes: pageBytes(), rules: badnessRules(kernelVersion()) };
  readonly #groups: CgroupPaths | undefined;
  #growth = new Map<string, GrowthWindow>();

  constructor(options: ScoresOptions = {}) {
    this.#options = options;
    this.#domain(); // a cgroup that does not exist is said before anything is opened
    this.table = openTaskTable(options.backend);
    const cgroupfs = Cgroupfs.find();
    this.#groups = cgroupfs && new CgroupPaths(cgroupfs);
  }

  /** @throws OomscopeError USAGE: the cgroup is gone */
  sample(): ScoreSample {
    const { top = 10, filter = () => true, sort = 'badness', spared = false } = this.#options;
    const domain = this.#domain();
    const nowSeconds = performance.now() / 1000;
    const weighed = this.table.read().filter((entry) => domain.contains(entry));
    this.#groups?.startLook();
    this.#follow(weighed, nowSeconds);
    const ranked = rankByBadness(weighed, { ...this.#badness, bytes: domain.totalBytes });
    const candidates = ranked.findIndex(({ points }) => points === null);
    const choice = spared || candidates < 0 ? ranked : ranked.slice(0, candidates);
    const scores: Score[] = [];
    for (const [i, each] of choice.entries()) {
      if (sort === 'badness' && scores.length === top) break; // in this order already
      const score = this.#score(each, each.points === null ? null : i + 1, domain);
      if (filter(score)) scores.push(score);
    }
    const wanted = scores.sort(orders[sort]).slice(0, top);
    for (const score of wanted) this.#complete(score);
    const now = process.hrtime.bigint();
    return {
      ...this.#envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope:scores', messageOf(ranked[0], domain)),
      type: 'score.sample',
      domain: domain.subject,
      domain_bytes: domain.totalBytes,
      available_bytes: domain.availableBytes,
      candidates: candidates < 0 ? ranked.length : candidates,
      scores: wanted,
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

  /** One sample more for the largest; the others are forgotten. */
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
      cgroup: entry.cgroup ?? this.#groups?.pathOf(entry.cgroupId) ?? null,
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

  /** What takes a file to read is read only for those that are shown. */
  #complete(score: Score): void {
    const text = readIfPresent(`/proc/${score.pid}/oom_score`);
    score.oom_score = text === undefined ? null : Number(text);
    Object.assign(score, (this.#options.ownerOf ?? ownerOf)(score.cgroup));
  }
}

interface Ranked extends Weighed {
  entry: ScoredProcess;
  spared: Spared | null;
}

/** The processes in the order in which the kernel would choose them, and last those that it never chooses. */
export function rankByBadness(entries: readonly ScoredProcess[], domain: BadnessDomain): Ranked[] {
  const weigh = (entry: ScoredProcess): Ranked => {
    const { pid, startTicks } = entry;
    return { entry, pid, startTicks, points: oomBadness(entry, domain), spared: sparedBy(entry) };
  };
  return entries.map(weigh).sort(byBadness);
}

const orders: Record<ScoreSort, (a: Score, b: Score) => number> = {
  badness: () => 0, // as they are
  memory: (a, b) => b.memory_per_mille - a.memory_per_mille,
  swap: (a, b) => b.swap_bytes - a.swap_bytes,
  growth: (a, b) => surely(b) - surely(a),
  adj: (a, b) => b.oom_score_adj - a.oom_score_adj,
};

/** Bytes a second that it grows by at least. */
const surely = ({ growth }: Score) =>
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
