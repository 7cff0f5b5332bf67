/** Chooses the process that earlyoom 1.8.2 would choose: by oom_score or by resident memory, from /proc at this moment. */
import { statSync } from 'node:fs';
import { pidsIn, processFiles } from '../linux/process-reader.ts';
import { readSmallFile } from '../linux/small-file.ts';
import { decode } from '../text/printable.ts';
import type { EarlyoomLog } from './log.ts';
import type { Earlyoom } from './options.ts';

/** A process. NOT_READ: the value was not needed for the decision. */
export interface Candidate {
  pid: number;
  startTicks: number;
  pgid: number;
  uid: number;
  oomScore: number;
  oomScoreAdj: number;
  rssKib: number;
  name: string;
  cmdline: string;
}

const NOT_READ = -9999;
/** The weight of --prefer and --avoid: points of oom_score, or KiB with --sort-by-rss. */
const PREFERRED_POINTS = 300;
const PREFERRED_KIB = 3 * 2 ** 20;
const KTHREADD = 2;
/** earlyoom keeps this many bytes of a command line. */
const MOST_CMDLINE = 255;

const unread: Candidate = {
  ...{ pid: NOT_READ, startTicks: NOT_READ, pgid: NOT_READ, uid: NOT_READ, oomScore: NOT_READ },
  ...{ oomScoreAdj: NOT_READ, rssKib: NOT_READ, name: '', cmdline: '' },
};

/**
 * The victim; undefined: there is no process that may be killed. earlyoom gives up when it has chosen itself. This
 * process needs more memory than earlyoom, so it is no candidate, and the search goes on.
 */
export function findVictim(asked: Earlyoom, log: EarlyoomLog): Candidate | undefined {
  const began = performance.now();
  log.debug('  PID OOM_SCORE  RSSkiB   UID OOM_SCORE_ADJ  COMM\n');
  let victim = unread;
  for (const pid of [...pidsIn('/proc')].sort((a, b) => a - b)) {
    const current = { ...unread, pid };
    const larger = isLarger(asked, victim, current, log);
    if (log.debugging) log.debug(`${rowOf(current)}${larger ? ' <--- new victim' : ''}\n`);
    if (larger) victim = current;
  }
  if (log.debugging) log.debug(`selecting victim took ${(performance.now() - began).toFixed(3)} ms\n`);
  if (victim === unread) return undefined;
  complete(victim);
  return victim;
}

/** Whether `current` is to be chosen rather than `victim`. Fills the fields that the decision needs. */
function isLarger(asked: Earlyoom, victim: Candidate, current: Candidate, log: EarlyoomLog): boolean {
  const { pid } = current;
  const directory = `/proc/${pid}`;
  if (pid <= KTHREADD || pid === process.pid) return false;
  if (asked.ignoreRootUser) {
    current.uid = uidOf(directory);
    if (current.uid === 0 || current.uid === NOT_READ) return false;
  }
  const stat = processFiles.stat(directory);
  if (!stat) return false;
  Object.assign(current, { startTicks: stat.startTicks, pgid: stat.pgid, rssKib: stat.rssBytes / 1024 });
  if (stat.ppid === KTHREADD) return false;
  const score = processFiles.oom_score(directory)?.oomScore;
  if (score === undefined || Number.isNaN(score)) return false;
  current.oomScore = score;
  if (!weigh(asked, current, directory) || !isAbove(asked, victim, current, log)) return false;
  const adj = processFiles.oom_score_adj(directory)?.oomScoreAdj;
  if (adj === undefined) return false;
  current.oomScoreAdj = adj;
  return adj !== -1000; // spared, as by the kernel
}

/** Adds the preferences. @returns false: the process must not be chosen, or it has exited */
function weigh({ prefer, avoid, ignore, sortByRss }: Earlyoom, current: Candidate, directory: string): boolean {
  if (!prefer && !avoid && !ignore) return true;
  const name = nameOf(directory);
  if (name === undefined) return false;
  current.name = name;
  const weight = (prefer?.test(name) ? 1 : 0) - (avoid?.test(name) ? 1 : 0);
  if (sortByRss) current.rssKib += weight * PREFERRED_KIB;
  else current.oomScore += weight * PREFERRED_POINTS;
  return ignore?.test(name) !== true;
}

function isAbove({ sortByRss }: Earlyoom, victim: Candidate, current: Candidate, log: EarlyoomLog): boolean {
  const byScore = current.oomScore - victim.oomScore || current.rssKib - victim.rssKib;
  if (!sortByRss) return byScore > 0;
  if (current.rssKib > 0 && victim.rssKib > 0)
    return (current.rssKib - victim.rssKib || current.oomScore - victim.oomScore) > 0;
  if (current.rssKib === 0) {
    // The main thread has exited, and /proc/PID/stat has no memory. The kernel's oom_score counts the other threads.
    current.name = nameOf(`/proc/${current.pid}`) ?? '';
    log.warn(
      `is_larger: pid ${current.pid} "${current.name}": rss=0 but oom_score=${current.oomScore}. Zombie main thread? Using oom_score for this process.\n`,
    );
  }
  return byScore > 0;
}

/** Reads what only the messages and hooks need. */
function complete(candidate: Candidate): void {
  const directory = `/proc/${candidate.pid}`;
  if (candidate.name === '') candidate.name = nameOf(directory) ?? '';
  if (candidate.cmdline === '') candidate.cmdline = cmdlineOf(directory);
  if (candidate.uid === NOT_READ) candidate.uid = uidOf(directory);
}

function rowOf(candidate: Candidate): string {
  complete(candidate);
  const { pid, oomScore, rssKib, uid, oomScoreAdj, name } = candidate;
  const column = (value: number, width: number) => String(value).padStart(width);
  return `${column(pid, 5)} ${column(oomScore, 9)} ${column(rssKib, 7)} ${column(uid, 5)} ${column(oomScoreAdj, 13)} "${name}"`;
}

/** The name without a character that the kernel has cut. */
function nameOf(directory: string): string | undefined {
  return processFiles.comm(directory)?.comm.replace(/\ufffd+$/, '');
}

/** The arguments with blanks between them. Like earlyoom, drops the last byte, which usually is a NUL. */
function cmdlineOf(directory: string): string {
  const bytes = readSmallFile(`${directory}/cmdline`)?.subarray(0, MOST_CMDLINE);
  if (!bytes) return '';
  return decode(bytes.subarray(0, -1))
    .text.replaceAll('\0', ' ')
    .replace(/\ufffd+$/, '');
}

/** The effective uid; NOT_READ: the process has exited. */
function uidOf(directory: string): number {
  return statSync(directory, { throwIfNoEntry: false })?.uid ?? NOT_READ;
}
