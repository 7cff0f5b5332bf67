/** Reads what a suggestion needs, and says it. */
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { badnessRules } from '../kernel-facts/oom-badness.ts';
import { kernelVersion } from '../linux/capabilities.ts';
import { pageBytes } from '../linux/page-size.ts';
import { readProcess } from '../linux/process-reader.ts';
import type { Survey } from '../memory/survey.ts';
import type { PressureSubject, ProcessUsage } from '../model/pressure.ts';
import type { MemorySuggestion } from '../model/suggestion.ts';
import { processAncestors } from '../process/ancestors.ts';
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

/** undefined when the process has ended meanwhile, or another has its pid. */
function endable(usage: ProcessUsage, proc: string): EndableProcess | undefined {
  const found = readProcess(usage.pid, ['stat', 'oom_score_adj', 'status'], proc);
  if (found?.startTicks !== usage.start_ticks) return undefined;
  return { ...found, cgroup: usage.cgroup, growthBytesPerSecond: usage.growth_bytes_per_second };
}
