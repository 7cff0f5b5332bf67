/**
 * Runs a program for each alert, with the alert as JSON on its standard input and the main fields as `OOMSCOPE_*` in its
 * environment. Any user of the machine can choose process names. `OOMSCOPE_*` are escaped so that they are safe to
 * print, but a shell script must still put them between double quotes.
 */
import type { Alert } from '../../model/alert.ts';
import { findProgram, runProgram } from '../../process/program.ts';
import { printable } from '../../text/printable.ts';
import type { Sink } from './sink.ts';

export interface ExecOptions {
  /** An absolute path, or a name that is searched in PATH. */
  program: string;
  args?: readonly string[];
  timeoutMs?: number;
  /** Shortest interval between two runs. Default 1,000. */
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

/** The only variables that programs inherit: the rest of our environment may hold keys. */
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
  const { id, key, status, severity, title, message, starts_at, ends_at, labels, event } = alert;
  const fields: Record<string, string | null | undefined> = {
    ALERT: alert.name,
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
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    value == null ? [] : [[`OOMSCOPE_${name}`, printable(value)]],
  );
  return { ...inherited(), ...Object.fromEntries(pairs) };
}
