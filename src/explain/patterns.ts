/**
 * Compares many reports: which processes were killed repeatedly, which ones grew from one report to the next, and when
 * many kills came within a minute. Keeps a few fields of each report, not the reports.
 */
import type { Envelope } from '../model/events.ts';
import type { OomOtherKill } from '../model/oom-other-kill.ts';
import type { OomPatterns, OomReport } from '../model/oom-report.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';

/** A process name is listed as a repeat when it was killed more often than this in the same cgroup. */
const REPEATS = 3;
const STORM_KILLS = 10;
const STORM_MS = 60_000;
const DAY_MS = 86_400_000;
/** A repeat counts as growing when the last victim was more than this many times as large as the first … */
const GROWTH = 1.2;
/** … and at least this share of the victims was larger than the previous victim. */
const RISING = 0.7;
/** The summary has at most this many names of a kind: the most frequent ones. */
export const MOST_NAMES = 20;
const MOST_LISTED = 20;
const MOST_TRACKED = 200;
const MOST_GROWERS = 5;

type Key = 'program' | 'process' | 'cgroup' | 'unit' | 'pod' | 'container' | 'scope' | 'hour';

interface Kill {
  at: number | null;
  /** null: the log does not name the process. */
  comm: string | null;
  cgroup: string | null;
  rss: number | null;
  known: boolean;
  limited: boolean;
}

/** Collects reports, counts them by process, cgroup and time, and finds processes that are killed repeatedly. */
export class Patterns {
  readonly #kills: Kill[] = [];
  readonly #counts = new Map<Key, Map<string, number>>();
  #reports = 0;
  #others = 0;
  #before: { boot: string | null; sizes: Map<string, number> } | undefined;
  readonly #growers = new Map<string, { comm: string; pid: number; from: number; to: number }>();

  /** Adds a report. Reports must be added in the order of the log. */
  add(report: OomReport): void {
    this.#reports++;
    const { victim, group, limit, scope, time_source, since_boot_seconds } = report;
    const known = time_source !== 'reading';
    const at = known ? Date.parse(report.time) : since_boot_seconds === null ? null : since_boot_seconds * 1000;
    for (const one of [victim, ...group]) {
      if (!one) continue;
      this.#count('process', one.comm);
      this.#count('unit', one.unit);
      this.#count('pod', one.pod?.uid ?? null);
      this.#count('container', one.container?.id ?? null);
      this.#kills.push({
        at,
        known,
        comm: one.comm,
        cgroup: one.cgroup ?? limit?.path ?? null,
        rss: one.memory.rss_bytes,
        limited: scope === 'cgroup',
      });
    }
    if (!victim && group.length === 0 && report.outcome === 'killed') {
      this.#kills.push({ at, known, comm: null, cgroup: limit?.path ?? null, rss: null, limited: scope === 'cgroup' });
    }
    this.#count('cgroup', limit?.path ?? null);
    this.#count('scope', scope);
    if (known) this.#count('hour', `${report.time.slice(0, 13)}:00Z`);
    this.#compare(report);
  }

  /** Adds a message of another program about a kill. */
  addOther({ program }: OomOtherKill): void {
    this.#others++;
    this.#count('program', program);
  }

  #count(key: Key, name: string | null): void {
    if (name === null) return;
    const counts = this.#counts.get(key) ?? new Map<string, number>();
    counts.set(name, (counts.get(name) ?? 0) + 1);
    this.#counts.set(key, counts);
  }

  /** Records the processes that are larger than in the previous report. */
  #compare({ tasks, boot_id, victim }: OomReport): void {
    const largest = tasks.toSorted((a, b) => b.rss_bytes - a.rss_bytes).slice(0, MOST_TRACKED);
    const sizes = new Map(largest.map((task) => [`${task.pid} ${task.comm}`, task.rss_bytes + (task.swap_bytes ?? 0)]));
    if (this.#before?.boot === boot_id) {
      for (const { pid, comm } of largest) {
        const key = `${pid} ${comm}`;
        const [from, to] = [this.#before.sizes.get(key), sizes.get(key)];
        if (from === undefined || to === undefined || to <= from) continue;
        this.#growers.set(key, { comm, pid, from: this.#growers.get(key)?.from ?? from, to });
      }
    }
    if (victim) sizes.delete(`${victim.pid} ${victim.comm}`);
    if (sizes.size > 0) this.#before = { boot: boot_id, sizes };
  }

  /**
   * Summarises the reports that were added so far.
   *
   * @param nowMs end of the last 24 hours, in milliseconds since 1970
   */
  summary(nowMs = Date.now()): Omit<OomPatterns, keyof Envelope> {
    const dated = this.#kills.filter(({ known, at }) => known && at !== null).map(({ at }) => at as number);
    const list = (key: Key) =>
      [...(this.#counts.get(key) ?? [])]
        .map(([name, count]) => ({ name, count }))
        .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
    const most = (key: Key) => list(key).slice(0, MOST_NAMES);
    const repeats = this.#repeats();
    return {
      type: 'oom.patterns',
      reports: this.#reports,
      kills: this.#kills.length,
      first: dated.length > 0 ? new Date(earliest(dated)).toISOString() : null,
      last: dated.length > 0 ? new Date(-earliest(dated.map((at) => -at))).toISOString() : null,
      last_24h: dated.length > 0 ? dated.filter((at) => at > nowMs - DAY_MS && at <= nowMs + DAY_MS / 24).length : null,
      other_kills: this.#others,
      by_program: most('program'),
      by_process: most('process'),
      by_cgroup: most('cgroup'),
      by_unit: most('unit'),
      by_pod: most('pod'),
      by_container: most('container'),
      by_scope: list('scope'),
      by_hour: list('hour').sort((a, b) => (a.name < b.name ? -1 : 1)),
      repeats,
      growers: [...this.#growers.values()]
        .map(({ comm, pid, from, to }) => ({ comm, pid, from_bytes: from, to_bytes: to }))
        .sort((a, b) => b.to_bytes - b.from_bytes - (a.to_bytes - a.from_bytes))
        .slice(0, MOST_GROWERS),
      storms: this.#storms(),
      findings: findings(repeats, this.#counts.get('scope')?.get('system') ?? 0),
    };
  }

  #repeats(): OomPatterns['repeats'] {
    const groups = new Map<string, (Kill & { comm: string })[]>();
    for (const { comm, ...rest } of this.#kills) {
      if (comm === null) continue;
      const kill = { comm, ...rest };
      const key = `${comm}\n${kill.cgroup}`;
      const group = groups.get(key);
      if (group) group.push(kill);
      else groups.set(key, [kill]);
    }
    return [...groups.values()]
      .filter((kills) => kills.length > REPEATS)
      .map((kills) => {
        const [{ comm, cgroup }] = kills as [Kill & { comm: string }];
        const sizes = kills.flatMap(({ rss }) => rss ?? []);
        const rises = sizes.filter((size, i) => i > 0 && size > (sizes[i - 1] as number)).length;
        const [first = null, last = null] = [sizes[0], sizes.at(-1)];
        const growing =
          first !== null && last !== null && rises >= (sizes.length - 1) * RISING && last > first * GROWTH;
        return {
          comm,
          cgroup,
          limited: kills.every(({ limited }) => limited),
          count: kills.length,
          first_rss_bytes: first,
          last_rss_bytes: last,
          growing,
          median_interval_seconds: medianInterval(kills),
        };
      })
      .sort((a, b) => b.count - a.count)
      .slice(0, MOST_LISTED);
  }

  /** Periods with at least STORM_KILLS kills within STORM_MS; overlapping periods are joined. */
  #storms(): OomPatterns['storms'] {
    const times = this.#kills.flatMap(({ at }) => at ?? []).sort((a, b) => a - b);
    const known = this.#kills.every(({ known }) => known);
    const storms: { from: number; to: number; kills: number }[] = [];
    for (let end = 0, start = 0; end < times.length; end++) {
      while ((times[end] as number) - (times[start] as number) > STORM_MS) start++;
      if (end - start + 1 < STORM_KILLS) continue;
      const last = storms.at(-1);
      const [from, to] = [times[start] as number, times[end] as number];
      if (last && from <= last.to) Object.assign(last, { to, kills: last.kills + 1 });
      else storms.push({ from, to, kills: end - start + 1 });
    }
    return storms.slice(0, MOST_LISTED).map(({ from, to, kills }) => ({
      from: known ? new Date(from).toISOString() : null,
      duration_seconds: Math.round((to - from) / 100) / 10,
      kills,
    }));
  }
}

const earliest = (times: readonly number[]) =>
  times.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);

function medianInterval(kills: readonly Kill[]): number | null {
  const times = kills.flatMap(({ at }) => at ?? []);
  const gaps = times.slice(1).map((at, i) => Math.abs(at - (times[i] as number)) / 1000);
  return gaps.length === 0 ? null : (gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)] as number);
}

/** Advice that needs several reports: a possible leak, or a machine that is too small. */
function findings(repeats: OomPatterns['repeats'], system: number): OomPatterns['findings'] {
  const found = repeats
    .slice(0, 5)
    .map(({ comm, cgroup, limited, count, growing, first_rss_bytes: from, last_rss_bytes: to }) => {
      const name = `${printable(comm)}${cgroup === null ? '' : ` in ${printable(cgroup)}`}`;
      const sizes =
        from === null || to === null ? '' : ` (${formatBytes(from)} the first time, ${formatBytes(to)} the last time)`;
      return growing
        ? {
            do: `Look for a leak in ${name}.`,
            because: `It was killed ${count} times, and was larger nearly every time${sizes}.`,
          }
        : {
            do: `Look for a leak in ${name}, or give it more memory.`,
            because: `It was killed ${count} times${sizes}: ${limited ? 'its limit is too low, or it leaks and no limit is enough' : 'the kernel finds it the largest each time'}.`,
          };
    });
  if (system <= 5) return found;
  return [
    ...found,
    {
      do: 'Add memory or swap, or move a workload to another machine.',
      because: `The whole system ran out of memory ${system} times.`,
    },
  ];
}
