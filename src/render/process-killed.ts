/** The event `process.killed` as text. */
import type { ProcessKilled } from '../model/process-killed.ts';
import { formatNs } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import type { Paint } from './paint.ts';

const INDENT = ' '.repeat(13);
const MOST_COMMAND = 160;

/** @param headline the first line of an event, from its label and the rest */
export function renderProcessKilled(
  event: ProcessKilled,
  headline: (label: string, rest: string) => string,
  paint: Paint,
): string {
  const { signal, victim, by, severity, signal_to_end_ns: ns } = event;
  const label = paint(severity === 'critical' ? 'red' : severity === 'warning' ? 'yellow' : 'dim', signal.padEnd(8));
  const rows: [string, string][] = [];
  const { process } = by;
  if (process) {
    const command = process.cmdline?.map(printable).join(' ') ?? process.exe ?? process.comm;
    rows.push(['sender', `${cut(command)} (pid ${process.pid}, uid ${process.uid})`]);
    if (process.ancestors.length > 0) {
      rows.push(['under', process.ancestors.map(({ comm, pid }) => `${printable(comm)} (${pid})`).join(' < ')]);
    }
  }
  const command = victim.cmdline?.map(printable).join(' ') ?? victim.exe;
  if (command !== null) rows.push(['command', cut(command)]);
  if (victim.cgroup !== null) rows.push(['cgroup', printable(victim.cgroup)]);
  rows.push(['parent', `${printable(victim.parent_comm)} (pid ${victim.ppid})`]);
  if (ns !== null) rows.push(['ended', `${formatNs(ns)} after the signal`]);
  const head = headline(label, paint('bold', printable(event.message)));
  return [head, ...rows.map(([key, value]) => `${INDENT}${paint('dim', key.padEnd(10))}${value}`)].join('\n');
}

const cut = (text: string) =>
  text.length <= MOST_COMMAND ? printable(text) : `${printable(text.slice(0, MOST_COMMAND))}…`;
