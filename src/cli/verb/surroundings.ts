/** Errors of a machine or a process that lacks what every verb needs: whatever fails first, the sentence and the exit code are the same. */
import { existsSync } from 'node:fs';
import { OomscopeError } from '../../model/error.ts';

/** What every verb needs at most, except for a guard whose victims have many processes. */
const ENOUGH_FILES = 1024;
const TASKS =
  'Too few tasks are allowed: raise the limit to 32 (TasksMax= of the unit, --pids-limit of the container, or ulimit -u).';

/** The error that says what is lacking. undefined: the error has another reason. */
export function lackOf(error: unknown): OomscopeError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path = '', message } = error as NodeJS.ErrnoException;
  // The libraries below name the errno in their messages only.
  const named = code === 'LIBBPF' || code === 'SYSTEM_CALL' ? /\b(EMFILE|ENFILE|EAGAIN)\b/.exec(message)?.[1] : code;
  if (named === 'EMFILE') return new OomscopeError('LIMITS', tooManyFiles(openFilesLimit()), { cause: error });
  if (named === 'ENFILE')
    return new OomscopeError('LIMITS', 'Too many files are open on this machine: raise fs.file-max.');
  if (named === 'EAGAIN') return new OomscopeError('LIMITS', TASKS, { cause: error });
  if (!existsSync('/proc/self/stat')) {
    return new OomscopeError('NO_PROC', 'There is no /proc here: mount it (mount -t proc proc /proc).', {
      cause: error,
    });
  }
  if (code === 'ENOENT' && path.startsWith('/sys/fs/cgroup')) {
    const what = `There is no cgroup file system at ${path}, where /proc/self/mountinfo names one: mount it.`;
    return new OomscopeError('NO_CGROUPS', what, { cause: error });
  }
  return undefined;
}

/** @param limit the number of files that this process may open */
export function tooManyFiles(limit: number): string {
  const to = limit >= ENOUGH_FILES ? `above ${limit}` : `to ${ENOUGH_FILES}`;
  return `Too many files are open: raise the limit ${to} (ulimit -n, or LimitNOFILE= of the unit).`;
}

/** From getrlimit(2), because no file can be opened at this moment: /proc/self/limits could not be read. */
function openFilesLimit(): number {
  Object.assign(process.report, { excludeNetwork: true }); // it would look up the names of all connections
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return Number(report.userLimits?.open_files?.soft);
}
