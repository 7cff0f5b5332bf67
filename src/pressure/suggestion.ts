import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { badnessRules } from '../kernel-facts/oom-badness.ts';
import { kernelVersion } from '../linux/capabilities.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { pageBytes } from '../linux/page-size.ts';
import { pidsIn, processFiles, readProcess } from '../linux/process-reader.ts';
import type { PressureSubject, ProcessUsage } from '../model/pressure.ts';
import type { MemoryShortage } from '../model/shortage.ts';
import type { MemorySuggestion, NotSuggestedReason } from '../model/suggestion.ts';
import { processAncestors } from '../process/ancestors.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { type EndableProcess, returnsOf, type Suggestion, shortageBytes, suggest } from './suggestion-rules.ts';

/** Measures that many guides recommend when memory is full, and why oomscope does not suggest them. */
export const NOT_OFFERED =
  'Dropping caches (vm.drop_caches) is not offered: the kernel reclaims clean pages by itself before it kills, and dropped ' +
  'pages are read again at once. Nor is swapoff: it must bring all swapped pages back into memory that is already full.';

/** Only this many processes, those with the most resident memory, are considered. */
const MOST_READ = 64;

/** A shortage of memory. */
export interface Shortage {
  /** The id of the event that reported it. */
  id: string;
  subject: PressureSubject;
  /** The limit of the subject, or of the cgroup above it whose limit is reached first; RAM for the system. */
  limitBytes: number;
  /** The memory that is left under this limit. */
  leftBytes: number;
  /** The swap that the kernel adds to the limit when it compares processes. */
  swapBytes: number;
}

/** The shortage of an event. */
export function shortageOf({
  id,
  subject,
  limit_bytes,
  unreclaimable_bytes,
  swap_left_bytes,
}: MemoryShortage): Shortage {
  const leftBytes = Math.max(0, limit_bytes - unreclaimable_bytes) + swap_left_bytes;
  return { id, subject, limitBytes: limit_bytes, leftBytes, swapBytes: 0 };
}

/** Where processes are read, and what is known of them. */
export interface SuggestionSources {
  cgroups: Cgroupfs | undefined;
  envelopes: EnvelopeFactory;
  /** The usage of the subject's processes, for their growth. It may be old: the processes themselves are read anew. */
  usages?: readonly ProcessUsage[];
  proc?: string;
}

/** Reads the processes of a subject whose level has become critical, and suggests which processes to end. */
export function suggestionFor(shortage: Shortage, sources: SuggestionSources): MemorySuggestion {
  const { subject, limitBytes, leftBytes, swapBytes } = shortage;
  const { envelopes, proc = '/proc' } = sources;
  const domain = { bytes: limitBytes + swapBytes, pageBytes: pageBytes(), rules: badnessRules(kernelVersion()) };
  const needed = shortageBytes(limitBytes, leftBytes);
  const processes = processesOf(subject, sources);
  const suggestion = suggest(processes, domain, needed, [...processAncestors(process.pid, proc)]);
  const { candidates, excluded } = suggestion;
  const message = suggestionMessage(subject, suggestion, needed);
  return {
    ...envelopes.next(process.hrtime.bigint(), realtimeOffsetNs(), 'info', 'oomscope:suggestion', message),
    type: 'memory.suggestion',
    subject,
    because_id: shortage.id,
    needed_bytes: needed,
    ...{ candidates, excluded },
    not_offered: NOT_OFFERED,
  };
}

const why: Record<NotSuggestedReason, string> = {
  init: 'it is init',
  self: 'it is oomscope itself',
  ancestor: 'oomscope descends from it',
  spared: 'its oom_score_adj is -1000',
};

function suggestionMessage(
  subject: PressureSubject,
  { candidates, excluded, tooSmall }: Suggestion,
  needed: number,
): string {
  const where = subject.scope === 'system' ? 'the system' : printable(subject.path);
  const [first] = candidates;
  const spared = excluded.map(({ comm, pid, reason }) => `${printable(comm)} (pid ${pid}): ${why[reason]}`).join('; ');
  const notThese = spared ? ` Not suggested: ${spared}.` : '';
  if (!first) {
    const most = tooSmall
      ? ` The largest, ${printable(tooSmall.comm)} (pid ${tooSmall.pid}), holds ${formatBytes(returnsOf(tooSmall))} of the ${formatBytes(needed)} that are needed.`
      : '';
    return `The end of no single process in ${where} would help.${most}${notThese}`;
  }
  const others = candidates
    .slice(1)
    .map(({ comm, pid, returns_bytes }) => `${printable(comm)} (pid ${pid}, ${formatBytes(returns_bytes)})`);
  const orThese = others.length > 0 ? ` Or ${others.join(', ')}.` : '';
  const lead = `If a process in ${where} has to be ended: ${printable(first.comm)} (pid ${first.pid}): ${first.reason}.`;
  return `${lead}${orThese}${notThese}`;
}

/** The processes of a subject that run now, the largest ones. */
function processesOf(
  subject: PressureSubject,
  { cgroups, usages = [], proc = '/proc' }: SuggestionSources,
): EndableProcess[] {
  const known = new Map(usages.map((usage) => [usage.pid, usage]));
  const pids = subject.scope === 'cgroup' && cgroups ? membersOf(subject.path, cgroups) : pidsIn(proc);
  const sizes = [...pids].flatMap((pid) => {
    const stat = processFiles.stat(`${proc}/${pid}`);
    return stat && !stat.kernelThread ? [{ pid, rssBytes: stat.rssBytes }] : [];
  });
  sizes.sort((a, b) => b.rssBytes - a.rssBytes);
  return sizes.slice(0, MOST_READ).flatMap(({ pid }): EndableProcess[] => {
    const found = readProcess(pid, ['stat', 'oom_score_adj', 'status', 'cgroup'], proc);
    if (!found) return []; // it has exited meanwhile
    const usage = known.get(pid);
    const isSame = usage?.start_ticks === found.startTicks;
    return [{ ...found, growthBytesPerSecond: isSame ? usage.growth_bytes_per_second : null }];
  });
}

/** The processes of a cgroup and of the cgroups below it. 0 stands for a process of another pid namespace. */
function membersOf(path: string, cgroups: Cgroupfs): Set<number> {
  const pids = cgroups.members(path);
  pids.delete(0);
  return pids;
}
