import { OomscopeError } from '../model/error.ts';
import { errnoName } from './errno.ts';

/**
 * Throws if a system call of the addon failed; otherwise returns its result.
 *
 * @param what names the call in the error message, as "pidfd_open of process 42"
 * @throws OomscopeError NOT_PERMITTED, SYSTEM_CALL. Its cause has `code`, `errno` and `syscall`, like an error of Node
 */
export function checked(result: number, syscall: string, what = syscall): number {
  const code = failure(result);
  if (code === undefined) return result;
  const cause = Object.assign(new Error(`${syscall} ${code}`), { code, errno: -result, syscall });
  const denied = code === 'EPERM' || code === 'EACCES';
  throw new OomscopeError(denied ? 'NOT_PERMITTED' : 'SYSTEM_CALL', `${what}: ${code}.`, { cause });
}

/** The name of a failed system call's errno, as ESRCH; undefined: the call did not fail. */
export function failure(result: number): string | undefined {
  return result < 0 ? errnoName(result) : undefined;
}
