/** Writes plans and their results as text and as JSON. */
import type { Applied } from '../../../protect/apply.ts';
import type { DropIn, Installed } from '../../../protect/drop-in.ts';
import type { Plan, PlanEntry } from '../../../protect/plan.ts';
import type { Undone } from '../../../protect/undo.ts';
import type { Paint } from '../../../render/paint.ts';
import { hanging } from '../../../render/wrap.ts';
import { printable } from '../../../text/printable.ts';

/** @param named did the user name profiles? Then a profile that matches no process is reported as a mistake */
export function planLines(
  { entries, idle }: Plan,
  { named, columns, paint }: { named: boolean; columns: number; paint: Paint },
): string[] {
  const order = { change: 0, skip: 1, keep: 2 };
  const sorted = entries.toSorted((a, b) => order[a.action] - order[b.action] || a.subject.pid - b.subject.pid);
  const rows = sorted.map((entry) => [
    String(entry.subject.pid),
    printable(entry.subject.comm),
    entry.profile,
    valueText(entry),
    whyText(entry),
  ]);
  const lines = rows.length === 0 ? [] : aligned([['PID', 'NAME', 'PROFILE', 'OOM_SCORE_ADJ', 'WHY'], ...rows]);
  const painted = lines.map((line, i) => {
    const entry = sorted[i - 1];
    return i === 0 || entry?.action !== 'change' ? paint('dim', line) : line;
  });
  const lowering = entries.filter(({ warnings }) => warnings.some(({ code }) => code === 'cannot_lower')).length;
  const unable = `! ${lowering} of the changes lower a value, which needs CAP_SYS_RESOURCE; this process lacks it, so the kernel may refuse`;
  const count = (action: PlanEntry['action']) => entries.filter((entry) => entry.action === action).length;
  const summary = `${count('change')} to change, ${count('keep')} already right, ${count('skip')} left alone.`;
  return [
    ...painted.flatMap((line, i) => [line, ...warningLines(sorted[i - 1], columns, paint)]),
    ...idle.map(({ profile, reason }) =>
      paint(named ? 'yellow' : 'dim', hanging(`${profile}: ${printable(reason)}`, columns, 2)),
    ),
    ...(lowering > 0 ? [paint('yellow', hanging(unable, columns, 2))] : []),
    paint('bold', summary),
  ];
}

function warningLines(entry: PlanEntry | undefined, columns: number, paint: Paint): string[] {
  const own = entry?.warnings.filter(({ code }) => code !== 'cannot_lower') ?? [];
  return own.map(
    ({ text }) =>
      `        ${paint('yellow', hanging(`! ${printable(text)}`, columns - 8, 2).replaceAll('\n', '\n        '))}`,
  );
}

const valueText = ({ action, before, after }: PlanEntry) =>
  action === 'change' ? `${before} → ${after}` : `${before}`;

function whyText({ action, reason, selector: { by, is }, subject }: PlanEntry): string {
  const known = `${by} ${is}`;
  if (action === 'change')
    return printable(`${known}${by === 'unit' || !subject.unit ? '' : `, in ${subject.unit}`}${was(reason)}`);
  return printable(`${known}: ${action === 'skip' ? 'left alone: ' : ''}${reason}`);
}

const was = (reason: string) => (reason.includes(', was') ? reason.slice(reason.indexOf(', was')) : '');

export function appliedLine({ entry, outcome, detail }: Applied, latencyNs: bigint | null, paint: Paint): string {
  const { subject, before, after, profile } = entry;
  const who = `${printable(subject.comm)} (pid ${subject.pid})`;
  if (outcome === 'done') {
    const late = latencyNs === null ? '' : `, ${(Number(latencyNs) / 1e6).toFixed(1)} ms after its exec`;
    return `${paint('green', 'done')}    ${who}: ${before} → ${after}, ${profile}${late}`;
  }
  return `${paint('yellow', outcome.padEnd(7))} ${who}: not changed: ${printable(detail ?? '')}`;
}

export function undoneLine({ what, pid, outcome, before, after, detail }: Undone, paint: Paint): string {
  const who = pid === null ? printable(what) : `${printable(what)} (pid ${pid})`;
  const why = detail === null ? '' : `: ${printable(detail)}`;
  const value = before === null ? 'removed' : `${after} → ${before}`;
  const texts: Record<Undone['outcome'], string> = {
    restored: value,
    inherited: `${value}; the process had inherited the value`,
    untouched: before === null ? 'does not exist' : `already has its old value ${before}`,
    changed: `not restored${why}`,
    gone: 'has ended',
    refused: `could not be restored${why}`,
  };
  const good = outcome !== 'changed' && outcome !== 'refused';
  return `${paint(good ? 'green' : 'yellow', outcome.padEnd(9))} ${who}: ${texts[outcome]}`;
}

export function dropInLines(dropIns: readonly DropIn[]): string[] {
  return dropIns.flatMap(({ path, text }) => [`# ${printable(path)}`, ...text.trimEnd().split('\n'), '']);
}

export function installedLine({ outcome, path }: Installed): string {
  const text = {
    written: 'written',
    'as it is': 'already as it should be',
    foreign: 'not written, because another file has this name; edit it by hand, or run undo first',
  };
  return `${path}: ${text[outcome]}.`;
}

export function entryJson({ subject, profile, selector, before, after, action, reason, warnings }: PlanEntry) {
  const { pid, startTicks, comm, uid, exe, unit, cgroup, container, memoryPerMille } = subject;
  return {
    ...{ pid, start_ticks: startTicks, comm, uid, exe, unit, cgroup, container, memory_per_mille: memoryPerMille },
    ...{ profile, matched_by: selector.by, matched: selector.is, before, after, action, reason, warnings },
  };
}

export function appliedJson({ entry, outcome, detail }: Applied, latencyNs: bigint | null) {
  return { ...entryJson(entry), outcome, detail, exec_to_written_ns: latencyNs === null ? null : Number(latencyNs) };
}

export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - [...cell].length))
      .join('  ')
      .trimEnd(),
  );
}
