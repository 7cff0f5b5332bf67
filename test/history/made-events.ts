/** Events for the tests of the history: copies of recorded ones with their own ids, times and names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../../src/explain/read-text.ts';
import type { Event } from '../../src/model/events.ts';
import type { OomKill, OomReaped } from '../../src/model/oom-kill.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { eventsOfType, recordings } from '../../src/testing/recordings.ts';

const [kill] = eventsOfType(recordings.containerKill, 'oom.kill') as [OomKill];
const [reaped] = eventsOfType(recordings.containerKill, 'oom.reaped') as [OomReaped];
export const BOOT = '11111111-2222-3333-4444-555555555555';

export interface Made {
  /** Milliseconds since 1970. */
  timeMs?: number;
  monoMs?: number;
  comm?: string;
  pid?: number;
  container?: string;
}

let made = 0;

/** A kill whose id no other event has. */
export function aKill({
  timeMs = Date.now(),
  monoMs = 1000 + made,
  comm = 'hog',
  pid = 1000 + made,
  container,
}: Made = {}): OomKill {
  const number = ++made;
  const { victim } = kill;
  const inside = victim.container && { ...victim.container, name: container ?? null };
  return {
    ...kill,
    id: `made-${process.pid}-${number}`,
    time: `${new Date(timeMs).toISOString().slice(0, -1)}000000Z`,
    mono_ns: String(BigInt(monoMs) * 1_000_000n),
    boot_id: BOOT,
    message: `${comm} (pid ${pid}) was killed.`,
    victim: { ...victim, pid, tid: pid, comm, container: inside },
  };
}

export function aReaped({ id, time, mono_ns, victim }: OomKill): OomReaped {
  return {
    ...reaped,
    id: `${id}-reaped`,
    kill_id: id,
    time,
    mono_ns,
    boot_id: BOOT,
    victim: { ...reaped.victim, pid: victim.pid },
  };
}

const text = readFileSync(join(import.meta.dirname, '../fixtures/oom-logs/6.12/v2-global.kmsg'), 'utf8');

/** A report as it is read from the kernel's log about the same process as a kill. */
export function aLoggedReport({ victim, mono_ns, time }: OomKill, lateMs = 0): OomReport {
  const [report] = readText(text, '/dev/kmsg').reports as [OomReport];
  const since = Number(BigInt(mono_ns) / 1_000_000n) + lateMs;
  return {
    ...report,
    id: `log-${victim.pid}-${++made}`,
    time,
    boot_id: BOOT,
    since_boot_seconds: since / 1000,
    victim: report.victim && { ...report.victim, pid: victim.pid, tid: victim.tid, comm: victim.comm ?? '' },
  };
}

export const recorded = (): readonly Event[] => recordings.containerKill;
