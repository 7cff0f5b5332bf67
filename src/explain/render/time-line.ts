/** The kills of several logs in the order of time: by the kernel, and by other programs. */
import type { OomOtherKill } from '../../model/oom-other-kill.ts';
import type { LogPlace, OomReport } from '../../model/oom-report.ts';
import { printable } from '../../text/printable.ts';
import { outcomes } from '../report.ts';
import { when } from './sentences.ts';

/** An entry. All texts are without control characters. */
export interface Entry {
  /** The id of the event. */
  id: string;
  /** As in the log, where the time stamp lacks a zone. */
  time: string;
  /** Whether the log has the date. */
  dated: boolean;
  /** "": the log does not name the host. */
  host: string;
  /** "kernel", or the program. */
  by: string;
  /** What happened: the process that was killed, or the words of the program. */
  what: string;
  why: string;
  /** The name of the log. */
  source: string;
}

/** More entries than these are counted, and the earliest of them are left out. */
const MOST_ENTRIES = 10_000;

/** Collects events in the order of their logs, and lists them in the order of time. */
export class TimeLine {
  readonly #all: { at: Moment; entry: Entry }[] = [];
  /** How many entries were left out. */
  left = 0;

  add(event: OomReport | OomOtherKill): void {
    this.#all.push({ at: moment(event), entry: event.type === 'oom.report' ? ofKernel(event) : ofOther(event) });
    if (this.#all.length <= MOST_ENTRIES) return;
    this.#all.shift();
    this.left++;
  }

  /** Dated entries come first, by time; then those with a time since boot only, by boot and time; then the others. */
  entries(): Entry[] {
    return this.#all
      .toSorted((a, b) => a.at.rank - b.at.rank || compareText(a.at.boot, b.at.boot) || a.at.ms - b.at.ms)
      .map(({ entry }) => entry);
  }
}

interface Moment {
  rank: number;
  boot: string;
  ms: number;
}

const compareText = (a: string, b: string) => (a === b ? 0 : a < b ? -1 : 1);

/** Where an entry stands. Times since boot are comparable within one boot, or within one log without a boot id. */
function moment(one: LogPlace & { time: string; boot_id: string | null; node: string }): Moment {
  if (one.time_source !== 'reading') return { rank: 0, boot: '', ms: Date.parse(one.time) };
  const boot = `${one.node}\n${one.boot_id ?? one.input}`;
  if (one.since_boot_seconds !== null) return { rank: 1, boot, ms: one.since_boot_seconds * 1000 };
  return { rank: 2, boot: '', ms: 0 };
}

function ofKernel(report: OomReport): Entry {
  const { id, victim, group, outcome, verdict, node, input } = report;
  const more = group.length > 0 ? ` and ${group.length} more` : '';
  return {
    id,
    time: when(report),
    dated: report.time_source !== 'reading',
    host: printable(node),
    by: 'kernel',
    what: victim ? `${printable(victim.comm)} (pid ${victim.pid})${more}` : outcomes[outcome],
    why: causes[verdict.cause],
    source: sourceName(input),
  };
}

const ofOther = (kill: OomOtherKill): Entry => ({
  id: kill.id,
  time: when(kill),
  dated: kill.time_source !== 'reading',
  host: printable(kill.node),
  by: kill.program,
  what: kill.words,
  why: kill.role === 'killed' ? 'killed by this program' : 'noticed by this program',
  source: sourceName(kill.input),
});

/** The name of a log, for people. */
export const sourceName = (input: string): string => (input === '-' ? 'standard input' : printable(input));

/** Each cause in a few words. */
export const causes: Readonly<Record<OomReport['verdict']['cause'], string>> = {
  cgroup_limit: 'limit of its cgroup',
  ancestor_limit: 'limit of a cgroup above it',
  watermark: 'machine out of memory',
  fragmentation: 'memory fragmented',
  zone: 'one zone out of memory',
  cpuset: 'nodes of a cpuset full',
  mempolicy: 'nodes of a policy full',
  reserved: 'free memory was reserved',
  no_shortage: 'no shortage in the report',
  page_fault: 'page fault refused',
  sysrq: 'SysRq-f',
  unknown: 'cause not in the log',
};
