/** Reports the kills of the kernel's OOM killer: how many since boot, in which cgroups, and which processes. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { formatSpan } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { type Finding, findingsOf, type Read } from './finding.ts';

const { ok, warning } = findingsOf('cgroups');

export interface GroupKills {
  path: string;
  /** OOM kills since the cgroup was created; on v2 with those in its descendants. */
  kills: number;
}

const SHOWN = 5;

/**
 * @param all every cgroup that exists
 * @param victims the names of killed processes in the kernel's log, one for each kill
 */
export function killed(all: readonly GroupKills[], read: Read, victims = loggedVictims()): Finding[] {
  // On cgroup v2 a cgroup also counts the kills in its descendants, so only the lowest cgroups with kills are listed.
  const leaves = all.filter(
    ({ path, kills }) => kills > 0 && !all.some((other) => other.kills > 0 && other.path.startsWith(`${path}/`)),
  );
  const sinceBoot = Number(/^oom_kill (\d+)$/m.exec(read('/proc/vmstat') ?? '')?.[1] ?? Number.NaN);
  if (leaves.length === 0 && !(sinceBoot > 0)) {
    return [ok('OOM kills', sinceBoot === 0 ? 'none since boot' : 'none in the existing cgroups')];
  }
  const counts = leaves.map(({ path, kills }): [string, number] => [path, kills]);
  const where = leaves.length === 0 ? 'none of them in a cgroup that still exists' : `in ${list(counts)}`;
  const found = sinceBoot > 0 ? `${sinceBoot} since boot${rate(sinceBoot, read)}, ${where}` : where;
  const logged =
    victims.length === 0
      ? 'The log of the kernel names no victim any more.'
      : `The log of the kernel names ${list([...tally(victims)])}.`;
  return [warning('OOM kills', found, logged, 'oomscope explain --kmsg')];
}

/** " (2.1 an hour for 3.5 d)". Empty: the time since boot is unknown. */
function rate(kills: number, read: Read): string {
  const seconds = Number(read('/proc/uptime')?.split(' ')[0]);
  if (!(seconds > 0)) return '';
  const hourly = (kills * 3600) / seconds;
  return ` (${hourly < 10 ? hourly.toFixed(1) : Math.round(hourly)} an hour for ${formatSpan(seconds)})`;
}

/** "a (3), b (1) and 2 more": the most frequent first. */
function list(counts: readonly (readonly [name: string, count: number])[]): string {
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const named = sorted.slice(0, SHOWN).map(([name, count]) => `${printable(name)} (${count})`);
  const more = sorted.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function tally(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** mm/oom_kill.c: __oom_kill_process(). A name may contain anything, ")" included. */
const KILLED = /Killed process \d+ \((.*)\),? (?:UID|total-vm)/;

/** The names of the processes that the kernel's log says were killed. Empty: none, or the log may not be read. */
export function loggedVictims(path = '/dev/kmsg'): string[] {
  const victims: string[] = [];
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return victims;
  }
  const buffer = Buffer.alloc(8192);
  try {
    for (;;) {
      const length = readRecord(fd, buffer);
      if (length === 0) break;
      const name = KILLED.exec(buffer.toString('utf8', 0, length))?.[1];
      if (name !== undefined) victims.push(name);
    }
  } finally {
    closeSync(fd);
  }
  return victims;
}

/** @returns the length of the record; 0: there are no more records */
function readRecord(fd: number, buffer: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, buffer);
    } catch (error) {
      // EPIPE: the record was overwritten meanwhile, and the next read returns the oldest one. EAGAIN: the end.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return 0;
    }
  }
}
