/**
 * Notices cgroups that are out of memory and in which the kernel kills no process. The kernel reports each attempt: a
 * task whose reclaim has freed nothing so often that the OOM killer comes next. A kill follows within a second, or the
 * cgroup's files say why not.
 */
import type { OomAttemptRecord } from '../bpf/wire/layout.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import { pathOfId } from '../linux/cgroup-composition.ts';
import { CgroupPathCache } from '../linux/cgroup-path-cache.ts';
import { type CgroupProcess, cgroupProcesses, isUnkillable } from '../linux/cgroup-processes.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { readProcess } from '../linux/process-reader.ts';
import { readIfPresent } from '../linux/read-if-present.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { Envelope, OomKill, OomStuck, StuckCause } from '../model/events.ts';
import { cgroupAncestors } from '../text/cgroup-path.ts';
import { decode, untilNul } from '../text/printable.ts';

export interface StuckTrackerOptions {
  cgroups: Cgroupfs;
  ownerOf: (path: string) => CgroupOwner;
  /** Gets the facts of each event. */
  emit: (facts: StuckFacts, atNs: bigint) => void;
  /** Default /proc. */
  proc?: string;
}

export type StuckFacts = Omit<OomStuck, Exclude<keyof Envelope, 'type'>>;

/** A kill follows an attempt within milliseconds; a busy machine may take longer. */
const FIRST_CHECK_MS = 1000;
const CHECK_MS = 2000;
/** The interval of events while a cgroup is stuck. */
const REPEAT_NS = 60_000_000_000n;
/** Without an attempt for this long, a cgroup whose tasks try again and again is no longer stuck. */
const QUIET_NS = 5_000_000_000n;
/** Cgroups that are watched at once. */
const MOST_WATCHED = 64;
const SHOWN = 10;

interface Watched {
  id: string;
  firstNs: bigint;
  lastNs: bigint;
  /** The count of attempts that the kernel has at the first attempt, and at the last. null: unknown. */
  firstOoms: bigint | null;
  lastOoms: bigint | null;
  trigger: OomStuck['trigger'];
  path: string | undefined;
  /** Set once an event was emitted. */
  reported: { cause: StuckCause; atNs: bigint } | undefined;
  timer: NodeJS.Timeout;
}

export class StuckTracker {
  readonly #options: StuckTrackerOptions;
  readonly #watched = new Map<string, Watched>();
  #paths: CgroupPathCache | undefined;

  constructor(options: StuckTrackerOptions) {
    this.#options = options;
  }

  take(record: OomAttemptRecord): void {
    const id = String(record.limit_id);
    const ooms = record.ooms_known === 0 ? null : record.ooms;
    const atNs = record.header.ktime_ns;
    const known = this.#watched.get(id);
    if (known) {
      known.lastNs = atNs;
      known.lastOoms = ooms;
    } else if (this.#watched.size < MOST_WATCHED) {
      const counts = { firstNs: atNs, lastNs: atNs, firstOoms: ooms, lastOoms: ooms };
      const timer = setTimeout(() => this.#check(id), FIRST_CHECK_MS).unref();
      this.#watched.set(id, { id, ...counts, trigger: triggerOf(record), path: undefined, reported: undefined, timer });
    }
  }

  /** A kill in a cgroup frees its memory, so the cgroup is not stuck. */
  onKill({ kind, limit, cgroups }: Pick<OomKill, 'kind' | 'limit' | 'cgroups'>): void {
    if (this.#watched.size === 0 || kind === 'already_dying') return;
    for (const id of [limit?.id, ...cgroups.map((cgroup) => cgroup.id)]) {
      const watched = id === undefined ? undefined : this.#watched.get(id);
      if (watched) this.#end(watched);
    }
  }

  close(): void {
    for (const { timer } of this.#watched.values()) clearTimeout(timer);
    this.#watched.clear();
  }

  #check(id: string): void {
    const watched = this.#watched.get(id);
    if (!watched) return;
    const found = this.#look(watched);
    if (found === 'unsure') {
      watched.timer = setTimeout(() => this.#check(id), FIRST_CHECK_MS).unref();
      return;
    }
    if (!found) {
      this.#end(watched);
      return;
    }
    const nowNs = process.hrtime.bigint();
    if (!watched.reported || nowNs - watched.reported.atNs >= REPEAT_NS) {
      watched.reported = { cause: found.cause, atNs: nowNs };
      this.#emit(watched, 'stuck', found.processes);
    }
    watched.timer = setTimeout(() => this.#check(id), CHECK_MS).unref();
  }

  /** undefined: the cgroup is not stuck, or is gone. `unsure`: the next attempts will show it. */
  #look(watched: Watched): { cause: StuckCause; processes: CgroupProcess[] } | 'unsure' | undefined {
    watched.path ??= this.#pathOf(watched);
    const { path } = watched;
    const { cgroups } = this.#options;
    if (path === undefined || cgroups.id(path) !== watched.id) return undefined;
    const processes = () => cgroupProcesses(cgroups, path, this.#options.proc);
    const control = cgroups.version === 1 ? readIfPresent(`${cgroups.directory(path)}/memory.oom_control`) : undefined;
    const isDisabled = control !== undefined && /^oom_kill_disable 1$/m.test(control);
    if (isDisabled && /^under_oom 1$/m.test(control)) return { cause: 'oom_kill_disabled', processes: processes() };
    // No task waits. The tasks try again and again, or their system calls fail.
    if (process.hrtime.bigint() - watched.lastNs > QUIET_NS) return undefined;
    const { firstOoms, lastOoms } = watched;
    if (firstOoms === null || lastOoms === null) return undefined;
    // One attempt may be followed by a reclaim that succeeds. A stuck task makes hundreds a second.
    if (lastOoms - firstOoms < 2n) return 'unsure';
    const found = processes();
    const cause = isDisabled ? 'oom_kill_disabled' : causeOf(found);
    return cause && { cause, processes: found };
  }

  #end(watched: Watched): void {
    clearTimeout(watched.timer);
    this.#watched.delete(watched.id);
    if (watched.reported) this.#emit(watched, 'over', []);
  }

  #emit(watched: Watched, state: OomStuck['state'], processes: CgroupProcess[]): void {
    const { id, path = '/', firstNs, firstOoms, lastOoms, trigger, reported } = watched;
    using group = this.#options.cgroups.open(path);
    const nowNs = process.hrtime.bigint();
    this.#options.emit(
      {
        type: 'oom.stuck',
        state,
        cause: reported?.cause ?? 'nothing_killable',
        cgroup: {
          ...{ path, id, usage_bytes: group?.usage() ?? 0, limit_bytes: group?.limit() ?? null },
          ...this.#options.ownerOf(path),
        },
        trigger,
        ooms: firstOoms === null || lastOoms === null ? null : Number(lastOoms - firstOoms),
        stuck_ns: Number(nowNs - firstNs),
        processes: processes.slice(0, SHOWN).map(({ pid, comm, oomScoreAdj, rssBytes, exiting, killPending }) => ({
          ...{ pid, comm, oom_score_adj: oomScoreAdj, rss_bytes: rssBytes, dying: exiting || killPending },
        })),
        process_count: processes.length,
      },
      nowNs,
    );
  }

  /** The path of the cgroup at its limit: the trigger's cgroup or an ancestor; if the trigger is gone, by a search. */
  #pathOf({ id, trigger }: Watched): string | undefined {
    const { cgroups, proc } = this.#options;
    const of = readProcess(trigger.tid, ['cgroup'], proc)?.cgroup;
    const found = of == null ? undefined : pathOfId(id, cgroupAncestors(of), (path) => cgroups.directory(path));
    if (found !== undefined) return found;
    this.#paths ??= new CgroupPathCache({ mount: cgroups.directory('/') });
    return this.#paths.path(BigInt(id));
  }
}

/** Why the kernel kills none of these processes. undefined: it could kill one. */
function causeOf(processes: CgroupProcess[]): StuckCause | undefined {
  if (processes.some(({ exiting, killPending }) => exiting || killPending)) return 'victim_not_exiting';
  return processes.length > 0 && processes.every(isUnkillable) ? 'nothing_killable' : undefined;
}

function triggerOf(record: OomAttemptRecord): OomStuck['trigger'] {
  return {
    pid: record.trigger_pid,
    tid: record.trigger_tid,
    start_ticks: toTicks(record.trigger_start_ns),
    comm: decode(untilNul(record.trigger_comm)).text,
  };
}
