import type { Event } from '../model/events.ts';
import type { Severity } from '../model/severity.ts';
import { printable } from '../text/printable.ts';

/** Priorities of syslog(3), which systemd reads from "<N>" at the beginning of a line: sd-daemon(3). */
const priorities: Record<Severity, number> = { info: 6, warning: 4, critical: 2 };

/** An event as one line for the journal, which adds the time: "<2>oom.kill: Killed …". */
export function journalLine({ severity, type, message }: Pick<Event, 'severity' | 'type' | 'message'>): string {
  return `<${priorities[severity]}>${type}: ${printable(message)}`;
}
