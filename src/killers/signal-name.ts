import { constants } from 'node:os';

/** Second names of signals that have another, more common name. */
const ALIASES = new Set(['SIGIOT', 'SIGPOLL', 'SIGUNUSED']);
/** glibc's SIGRTMIN; the kernel's is 32. */
const SIGRTMIN = 34;

const names = new Map(
  Object.entries(constants.signals)
    .filter(([name]) => !ALIASES.has(name))
    .map(([name, number]) => [number as number, name]),
);

/** The name of a signal: "SIGKILL", "SIGRTMIN+2". */
export function signalName(signal: number): string {
  return names.get(signal) ?? (signal >= SIGRTMIN ? `SIGRTMIN+${signal - SIGRTMIN}` : `signal ${signal}`);
}
