/** Reads what a suggestion needs, and says it. */
import { readFileSync } from 'node:fs';
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { badnessRules } from '../kernel-facts/oom-badness.ts';
import { kernelVersion } from '../linux/capabilities.ts';
import { pageBytes } from '../linux/page-size.ts';
import { numberOf } from '../linux/small-file.ts';
import type { Survey } from '../memory/survey.ts';
import type { PressureSubject, ProcessUsage } from '../model/pressure.ts';
import type { MemorySuggestion } from '../model/suggestion.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { type EndableProcess, type Suggestion, suggest } from './suggestion-rules.ts';

/** What the guides to a full memory offer, and why oomscope does not. */
export const NOT_OFFERED =
  'Dropping caches (vm.drop_caches) is not offered: the kernel takes clean pages back by itself before it kills, and what is ' +
  'dropped is read again at once. Nor is swapoff: it must bring all that is swapped out back into memory that is full.';

/** @param because the event that it is said for */
export function suggestionFor(
  survey: Survey,
  because: { id: string; subject: PressureSubject },
  envelopes: EnvelopeFactory,
  proc = '/proc',
): MemorySuggestion {
  const { subject } = because;
  const { system } = survey;
  const group = subject.scope === 'cgroup' ? survey.groups.get(subject.path) : undefined;
  const bytes = group?.limitBytes ?? (system.limitBytes ?? 0) + system.swapTotalBytes;
  const domain = { bytes, pageBytes: pageBytes(), rules: badnessRules(kernelVersion()) };
  const processes = survey.top(subject, Number.POSITIVE_INFINITY).flatMap((usage) => endable(usage, proc) ?? []);
  const suggestion = suggest(processes, domain, selfAndAncestors(proc));
  const now = process.hrtime.bigint();
  const message = suggestionMessage(subject, suggestion);
  return {
    ...envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope:suggestion', message),
    type: 'memory.suggestion',
    subject,
    because_id: because.id,
    ...suggestion,
    not_offered: NOT_OFFERED,
  };
}

function suggestionMessage(subject: PressureSubject, { candidates, excluded }: Suggestion): string {
  const where = subject.scope === 'system' ? 'the system' : printable(subject.path);
  const [first] = candidates;
  const spared = excluded.map(({ comm, pid, reason }) => `${printable(comm)} (pid ${pid}) not: ${reason}`).join('; ');
  if (!first) return `Nobody in ${where} could be ended to give memory back${spared ? `: ${spared}` : ''}.`;
  const others = candidates
    .slice(1)
    .map(({ comm, pid, returns_bytes }) => `${printable(comm)} (pid ${pid}, ${formatBytes(returns_bytes)})`);
  return (
    `If something in ${where} has to end: ${printable(first.comm)} (pid ${first.pid}): ${first.reason}.` +
    `${others.length > 0 ? ` Or ${others.join(', ')}.` : ''}${spared ? ` ${spared[0]?.toUpperCase()}${spared.slice(1)}.` : ''}`
  );
}

/** undefined when it has ended meanwhile, or its pid has a new owner. */
function endable(usage: ProcessUsage, proc: string): EndableProcess | undefined {
  try {
    const directory = `${proc}/${usage.pid}`;
    const oomScoreAdj = Number(readFileSync(`${directory}/oom_score_adj`, 'latin1'));
    const status = readFileSync(`${directory}/status`);
    const bytes = (name: string) => (numberOf(status, name) ?? 0) * 1024;
    return {
      pid: usage.pid,
      startTicks: usage.start_ticks,
      comm: usage.comm,
      cgroup: usage.cgroup,
      oomScoreAdj,
      anonBytes: bytes('RssAnon:'),
      rssBytes: bytes('VmRSS:'),
      swapBytes: bytes('VmSwap:'),
      pageTablesBytes: bytes('VmPTE:'),
      growthBytesPerSecond: usage.growth_bytes_per_second,
    };
  } catch {
    return undefined;
  }
}

function selfAndAncestors(proc: string): number[] {
  const line = [process.pid];
  for (let pid = process.ppid; pid > 1 && !line.includes(pid); ) {
    line.push(pid);
    try {
      pid = numberOf(readFileSync(`${proc}/${pid}/status`), 'PPid:') ?? 0;
    } catch {
      break;
    }
  }
  return line;
}
