import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { badnessRules } from '../kernel-facts/oom-badness.ts';
import { kernelVersion } from '../linux/capabilities.ts';
import { pageBytes } from '../linux/page-size.ts';
import { readProcess } from '../linux/process-reader.ts';
import type { Survey } from '../memory/survey.ts';
import type { PressureSubject, ProcessUsage } from '../model/pressure.ts';
import type { MemorySuggestion, NotSuggestedReason } from '../model/suggestion.ts';
import { processAncestors } from '../process/ancestors.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { type EndableProcess, type Suggestion, suggest } from './suggestion-rules.ts';

/** Measures that many guides recommend when memory is full, and why oomscope does not suggest them. */
export const NOT_OFFERED =
  'Dropping caches (vm.drop_caches) is not offered: the kernel reclaims clean pages by itself before it kills, and dropped ' +
  'pages are read again at once. Nor is swapoff: it must bring all swapped pages back into memory that is already full.';

/**
 * Reads the processes of a subject whose level has become critical, and suggests which processes to end.
 *
 * @param because the event that reported the level
 */
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
  const suggestion = suggest(processes, domain, [...processAncestors(process.pid, proc)]);
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

const why: Record<NotSuggestedReason, string> = {
  init: 'it is init',
  self: 'it is oomscope itself',
  ancestor: 'oomscope descends from it',
  spared: 'its oom_score_adj is -1000',
};

function suggestionMessage(subject: PressureSubject, { candidates, excluded }: Suggestion): string {
  const where = subject.scope === 'system' ? 'the system' : printable(subject.path);
  const [first] = candidates;
  const spared = excluded.map(({ comm, pid, reason }) => `${printable(comm)} (pid ${pid}): ${why[reason]}`).join('; ');
  const notThese = spared ? ` Not suggested: ${spared}.` : '';
  if (!first) return `No process in ${where} can be ended to free memory.${notThese}`;
  const others = candidates
    .slice(1)
    .map(({ comm, pid, returns_bytes }) => `${printable(comm)} (pid ${pid}, ${formatBytes(returns_bytes)})`);
  const orThese = others.length > 0 ? ` Or ${others.join(', ')}.` : '';
  const lead = `If a process in ${where} has to be ended: ${printable(first.comm)} (pid ${first.pid}): ${first.reason}.`;
  return `${lead}${orThese}${notThese}`;
}

/** undefined: the process has exited meanwhile, or another process has its pid. */
function endable(usage: ProcessUsage, proc: string): EndableProcess | undefined {
  const found = readProcess(usage.pid, ['stat', 'oom_score_adj', 'status'], proc);
  if (found?.startTicks !== usage.start_ticks) return undefined;
  return { ...found, cgroup: usage.cgroup, growthBytesPerSecond: usage.growth_bytes_per_second };
}
