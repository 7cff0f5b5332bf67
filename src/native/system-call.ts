import { OomscopeError } from '../model/error.ts';
import { errnoName } from './errno.ts';

/**
 * What a system call of the addon returned.
 *
 * @param what for people: "pidfd_open of process 42"
 * @throws OomscopeError NOT_PERMITTED, SYSTEM_CALL. Its cause is an error with `code`, `errno` and `syscall`, as Node's own
 */
export function checked(result: number, syscall: string, what = syscall): number {
  const code = failure(result);
  if (code === undefined) return result;
  const cause = Object.assign(new Error(`${syscall} ${code}`), { code, errno: -result, syscall });
  const denied = code === 'EPERM' || code === 'EACCES';
  throw new OomscopeError(denied ? 'NOT_PERMITTED' : 'SYSTEM_CALL', `${what}: ${code}.`, { cause });
}

/** The name of its errno, as ESRCH; undefined where it did not fail. */
export function failure(result: number): string | undefined {
  return result < 0 ? errnoName(result) : undefined;
}
