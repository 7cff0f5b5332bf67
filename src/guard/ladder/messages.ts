/**
 * Writes the message of each of the guard's events. Control characters in the names of processes and cgroups, and in what
 * a message quotes, are replaced, so that the message is safe for a terminal.
 */
import type {
  GuardActionOutcome,
  GuardPart,
  GuardReading,
  GuardResult,
  GuardSkipReason,
  GuardStatus,
  GuardStep,
  GuardTarget,
} from '../../model/guard.ts';
import { formatBytes, formatNs } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { Fired } from '../rules/detect.ts';
import type { Candidate } from '../rules/rank.ts';
import { steps } from '../steps/steps.ts';

/** @param of the number of candidates @param acts false: the guard only reports (dry run or shadow mode) */
export function planMessage(fired: Fired, { target, score }: Candidate, of: number, acts: boolean): string {
  const memory = `${formatBytes(target.rss_bytes)} resident`;
  const victim = acts ? 'the victim is' : 'the victim would be';
  return sentence(`${ruleFired(fired)}: ${victim} ${nameOf(target)}, ${memory}, ${score} points, the highest of ${of}`);
}

/** @param onlyFirst of the processes of the victim, only the first one was signalled */
export function actionMessage(
  step: GuardStep,
  outcome: GuardActionOutcome,
  victim: GuardTarget,
  detail: string | null,
  onlyFirst = false,
): string {
  const name = onlyFirst ? nameOfFirst(victim) : nameOf(victim);
  const texts: Record<GuardActionOutcome, string> = {
    done: `${steps[step].did} ${name}`,
    failed: `"${step}" failed for ${name}`,
    would: `Would have taken "${step}" against ${name}`,
    unavailable: `"${step}" is not available here, skipped for ${name}`,
    not_needed: `"${step}" was not needed for ${name}`,
    undone: `Undid "${step}" for ${name}`,
  };
  return sentence(detail === null ? texts[outcome] : `${texts[outcome]}: ${detail}`);
}

/** @param why replaces the usual reason for the outcome @param onlyFirst as for actionMessage() */
export function resultMessage(
  outcome: GuardResult['outcome'],
  victim: GuardTarget,
  { freed_bytes = null, signal_to_memory_back_ns: back = null, stuck = null }: Partial<GuardResult>,
  why: string | undefined,
  onlyFirst = false,
): string {
  const name = onlyFirst ? nameOfFirst(victim) : nameOf(victim);
  const after = back === null ? '' : ` ${formatNs(back)} after the signal`;
  const freed = freed_bytes === null || freed_bytes <= 0 ? '' : `, ${formatBytes(freed_bytes)} more available`;
  const ended = onlyFirst ? `only ${name} was killed` : `${name} was not killed`;
  const held = formatBytes(victim.rss_bytes + victim.swap_bytes);
  const texts: Partial<Record<GuardResult['outcome'], string>> = {
    killed: `${name} has exited${why === undefined ? ' and its memory is back' : `, and ${why}`}${after}${freed}`,
    ended: `${name} has exited, but its memory is not back yet`,
    recovered: why === undefined ? `Memory is no longer short; ${ended}` : `${name} ${why}`,
    survived: `${name} is still alive: ${why ?? stuck?.verdict ?? 'the ladder has no further step'}`,
    kernel_first: `The kernel killed ${name} first`,
    would_kill: `Would have killed ${name}, which holds ${held}`,
    abandoned: `Gave up on ${name}: the guard is closing`,
  };
  return sentence(texts[outcome] ?? outcome);
}

export function skipMessage(fired: Fired, reason: GuardSkipReason, detail: string | null): string {
  return sentence(
    `${ruleFired(fired)}, but nothing is done: ${skipReasons[reason]}${detail === null ? '' : ` (${detail})`}`,
  );
}

/** @param planned the victim that the guard would have killed @param leadMs how much earlier than the kernel */
export function shadowMessage(
  killed: { pid: number; comm: string | null },
  planned: GuardTarget | undefined,
  outcome: 'same_victim' | 'other_victim' | 'unforeseen',
  leadMs: number | null,
): string {
  const kernel = `The kernel killed ${killed.comm ?? '?'} (pid ${killed.pid})`;
  if (outcome === 'unforeseen' || !planned) return sentence(`${kernel}; no rule had fired`);
  const victim = outcome === 'same_victim' ? 'it' : nameOf(planned);
  return sentence(`${kernel}; the guard would have killed ${victim} ${leadMs} ms earlier`);
}

export function statusMessage(part: GuardPart, state: GuardStatus['state'], error: string, failures: number): string {
  const { can, without } = parts[part];
  if (state === 'failing') return sentence(`The guard cannot ${can}: ${error.replace(/\.$/, '')}. ${without}`);
  const times = failures === 1 ? 'one failure' : `${failures} failures`;
  return sentence(`The guard can ${can} again, after ${times}`);
}

const skipReasons: Record<GuardSkipReason, string> = {
  recovered: 'memory is no longer short',
  no_candidate: 'no process may be killed',
  no_help: 'killing would not help',
  being_freed: 'a process is exiting, and its memory will be free soon',
  budget: 'the limit of kills per minute is reached',
  cool_down: 'the rule is in its cool-down after its last steps',
  victim_changed: 'the victim has changed since it was chosen',
};

const parts: Record<GuardPart, { can: string; without: string }> = {
  sampling: { can: 'sample memory', without: 'It tries again, and does not act until it can' },
  arming: { can: 'arm the likely victim', without: 'It continues without arming' },
  raising_score: {
    can: "raise the likely victim's oom_score_adj",
    without: "The kernel's OOM killer may choose another process",
  },
};

function nameOfFirst({ comm, pid, takes, cgroup, processes }: GuardTarget): string {
  const all = takes === 'cgroup' ? `the ${processes} processes of ${cgroup ?? '?'}` : `its group of ${processes}`;
  return `${comm} (pid ${pid}, the first of ${all})`;
}

function nameOf({ comm, pid, takes, cgroup, processes }: GuardTarget): string {
  if (takes === 'cgroup') return `the ${processes} processes of ${cgroup ?? '?'}`;
  const name = `${comm} (pid ${pid})`;
  if (takes === 'process_group') return `${name} and its group of ${processes}`;
  return processes > 1 ? `${name} and the ${processes - 1} other processes of its pid namespace` : name;
}

function ruleFired({ rule, cgroup, readings }: Fired): string {
  const values = readings.map(({ detector, value, unit }) =>
    value === null ? detector : `${detector} (${valueText(value, unit)})`,
  );
  return `Rule "${rule.name}" fired${cgroup ? ` on ${cgroup.path}` : ''}, ${values.join(' and ')}`;
}

function valueText(value: number, unit: GuardReading['unit']): string {
  switch (unit) {
    case 'percent':
      return `${Math.round(value * 100) / 100} %`;
    case 'bytes':
      return formatBytes(value);
    case 'bytes_per_second':
      return `${formatBytes(value)}/s`;
    case 'seconds':
      return `${Math.round(value * 10) / 10} s`;
    case 'rounds':
      return String(value);
  }
}

const sentence = (text: string) => printable(text.endsWith('.') ? text : `${text}.`);
