import { OomscopeError } from '../../model/error.ts';
import { errnoName } from '../../native/errno.ts';
import type { Libbpf } from './symbols.ts';

const LOG_LINES = 12;

/**
 * The last lines of a log, without empty lines and separators. For a rejected program the verifier's error is there.
 */
export function logTail(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('-- '));
  return lines.slice(-LOG_LINES).join('\n');
}

/** An error for a failed libbpf call, with libbpf's log in `detail`. */
export function libbpfError(lib: Libbpf, what: string, code: number): OomscopeError {
  const log = lib.takeLog();
  const errno = errnoName(code);
  const why = errno === 'EPERM' || errno === 'EACCES' ? ' (CAP_BPF and CAP_PERFMON, or root, are needed)' : '';
  return new OomscopeError(why ? 'NOT_PERMITTED' : 'LIBBPF', `${what}: ${errno}${why}`, { detail: logTail(log) });
}
