/**
 * A program of the user's: the alert as JSON on its standard input, the gist in its environment. Names in them are chosen
 * by whoever runs processes: `OOMSCOPE_*` are made safe to print, and are safe in a shell only between double quotes.
 */
import type { Alert } from '../../model/alert.ts';
import { findProgram, runProgram } from '../../process/program.ts';
import { printable } from '../../text/printable.ts';
import type { Sink } from './sink.ts';

export interface ExecOptions {
  /** Absolute, or a name to be found in PATH. */
  program: string;
  args?: readonly string[];
  timeoutMs?: number;
  /** Least time from one run to the next. Default 1,000. */
  everyMs?: number;
}

/** @throws OomscopeError USAGE */
export function exec({ program, args = [], timeoutMs = 10_000, everyMs = 1_000 }: ExecOptions): Sink {
  const path = findProgram(program, 'exec');
  return {
    name: `exec ${printable(path)}`,
    everyMs,
    timeoutMs,
    deliver: (alert, signal) =>
      runProgram({ path, args, env: environment(alert), input: `${JSON.stringify(alert)}\n`, signal }),
  };
}

/** Of ours it gets what programs cannot do without: not all, for there may be keys in it. */
const INHERITED = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'USER',
  'DISPLAY',
  'DBUS_SESSION_BUS_ADDRESS',
  'XDG_RUNTIME_DIR',
];

export function inherited(): Record<string, string> {
  return Object.fromEntries(INHERITED.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

function environment(alert: Alert): Record<string, string> {
  const { id, key, status, severity, name, title, message, starts_at, ends_at, labels, event } = alert;
  const gist: Record<string, string | null | undefined> = {
    ALERT: name,
    ID: id,
    KEY: key,
    STATUS: status,
    SEVERITY: severity,
    TITLE: title,
    MESSAGE: message,
    STARTS_AT: starts_at,
    ENDS_AT: ends_at,
    NODE: labels.node,
    CGROUP: labels.cgroup,
    EVENT: event?.type,
    ...(event?.type === 'oom.kill' && { VICTIM_PID: String(event.victim.pid), VICTIM_COMM: event.victim.comm }),
  };
  const pairs = Object.entries(gist).flatMap(([what, value]) =>
    value == null ? [] : [[`OOMSCOPE_${what}`, printable(value)]],
  );
  return { ...inherited(), ...Object.fromEntries(pairs) };
}
