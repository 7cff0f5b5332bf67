import type { SampledProcess } from '../../model/sample.ts';
import { globMatch } from '../../text/glob.ts';
import type { Match } from './rule.ts';

/** The kernel truncates names to this many bytes (TASK_COMM_LEN − 1). */
const SHORT_BYTES = 15;

/**
 * Whether a process meets all conditions of `match`.
 *
 * @param spares whether the match makes the process less likely to be killed. Every user can choose the arguments of a
 *   process, so a whole name that only the arguments have does not count then
 */
export function matches(match: Match, process: SampledProcess, spares: boolean): boolean {
  const { comm, exe, cmdline, cwd, environ, uid, oomScoreAdj: adj, cgroup, systemdUnit, container } = match;
  return (
    (!comm || namesOf(process, spares).some((name) => comm.test(name))) &&
    (!exe || (process.exe !== null && exe.test(process.exe))) &&
    (!cmdline || (process.cmdline !== null && cmdline.test(process.cmdline))) &&
    (!cwd || (typeof process.cwd === 'string' && cwd.test(process.cwd))) &&
    (!environ || (process.environ ?? []).some((variable) => environ.test(variable))) &&
    (uid === undefined || process.uid === uid) &&
    (!adj || (process.oom_score_adj >= adj.least && process.oom_score_adj <= adj.most)) &&
    glob(cgroup, process.cgroup) &&
    glob(systemdUnit, process.unit) &&
    glob(container, process.container && (process.container.name ?? process.container.id))
  );
}

function namesOf(process: SampledProcess, spares: boolean): string[] {
  const { byProgram, byArguments } = wholeNames(process);
  return [process.comm, ...byProgram, ...(spares ? [] : byArguments)];
}

/** Whether the kernel may have truncated the name of a process. */
export const isTruncated = (comm: string) => Buffer.byteLength(comm) >= SHORT_BYTES;

/**
 * The whole names of a process whose name the kernel has truncated: of its program, and of its first two arguments, the
 * second of which is the script where an interpreter runs one. Empty: the name is not truncated, or these have another
 * name.
 */
export function wholeNames({ comm, exe, cmdline }: Pick<SampledProcess, 'comm' | 'exe' | 'cmdline'>): {
  byProgram: string[];
  byArguments: string[];
} {
  if (!isTruncated(comm)) return { byProgram: [], byArguments: [] };
  const whole = (path: string) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return name !== comm && name.startsWith(comm) ? [name] : [];
  };
  return {
    byProgram: whole((exe ?? '').replace(/ \(deleted\)$/, '')),
    byArguments: (cmdline ?? '').split(' ', 2).flatMap(whole),
  };
}

const glob = (pattern: string | undefined, text: string | null) =>
  pattern === undefined || (text !== null && globMatch(pattern, text));
