/**
 * The worker thread that reads the kernel's log when the history begins: what happened while oomscope did not run. It is a
 * thread of its own so that the tracer does not wait for it, and so that the memory of the parser is free afterwards.
 */
import { hostname } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type ReadOptions, readJournal, readKmsg } from '../explain/read.ts';
import { bootId } from '../linux/boot-id.ts';
import { OomscopeError } from '../model/error.ts';
import type { OomOtherKill } from '../model/oom-other-kill.ts';
import type { OomReport } from '../model/oom-report.ts';
import { type Entry, entryOf } from './entry.ts';
import type { Alive } from './protocol.ts';

export interface ImportData {
  /** When oomscope wrote to the history last; null: never, so that only the log of this boot is read. */
  last: Alive | null;
  /** Read the systemd journal as well, which has the boots before this one. */
  journal: boolean;
}

export type FromImport =
  | { was: 'found'; entries: Entry[] }
  /** /dev/kmsg is read: capabilities for it are not needed any more. */
  | { was: 'kmsg'; problem: string | null }
  | { was: 'done'; problem: string | null };

/** Reports of the seconds before the last entry are read again: the history knows those that it has. */
const OVERLAP_MS = 60_000;
/** Entries that are sent at once. */
const SOME = 100;

const { last, journal } = workerData as ImportData;
const boot = bootId() ?? null;
const sameBoot = last && boot?.replaceAll('-', '').startsWith(last.boot);
const tell = (message: FromImport) => parentPort?.postMessage(message);

let found: Entry[] = [];

/** Whether the message is from after the last stop. Within one boot the kernel's own clock decides, which cannot be set. */
function isNew(event: OomReport | OomOtherKill, thisBoot: boolean): boolean {
  if (last === null) return true;
  if (thisBoot && sameBoot && event.since_boot_seconds !== null)
    return event.since_boot_seconds * 1000 > last.monoMs - OVERLAP_MS;
  return thisBoot || Date.parse(event.time) > last.timeMs - OVERLAP_MS;
}

function take(event: OomReport | OomOtherKill, kmsg: boolean): void {
  const thisBoot = kmsg || (boot !== null && event.boot_id?.replaceAll('-', '') === boot.replaceAll('-', ''));
  if (event.time_source === 'reading' || !isNew(event, thisBoot)) return;
  const whole = { ...event, boot_id: kmsg ? boot : event.boot_id, node: event.node === '' ? hostname() : event.node };
  const entry = entryOf(whole);
  if (entry) found.push(entry);
  if (found.length >= SOME) send();
}

function send(): void {
  if (found.length > 0) tell({ was: 'found', entries: found });
  found = [];
}

const reading = (kmsg: boolean): ReadOptions => ({
  onReport: (report) => take(report, kmsg),
  onOther: (kill) => take(kill, kmsg),
  lines: true,
});

async function problemOf(read: () => unknown): Promise<string | null> {
  try {
    await read();
    return null;
  } catch (error) {
    if (error instanceof OomscopeError) return error.message;
    throw error;
  }
}

const kmsgProblem = await problemOf(() => readKmsg(reading(true)));
send();
tell({ was: 'kmsg', problem: kmsgProblem });
const sinceMs = last === null ? null : last.timeMs - OVERLAP_MS;
// Without an earlier entry the journal of all boots could be years long.
const wanted = journal && (sinceMs !== null || kmsgProblem !== null);
const begin = sinceMs ?? Date.now() - Number(process.hrtime.bigint() / 1_000_000n);
const journalProblem = wanted ? await problemOf(() => readJournal(begin, reading(false))) : null;
send();
tell({ was: 'done', problem: journalProblem });
