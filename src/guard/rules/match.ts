import type { SampledProcess } from '../../model/sample.ts';
import { globMatch } from '../../text/glob.ts';
import type { Match } from './rule.ts';

/** Whether a process meets all conditions of `match`. */
export function matches(match: Match, process: SampledProcess): boolean {
  const { comm, exe, cmdline, uid, oomScoreAdj: adj, cgroup, systemdUnit, container } = match;
  return (
    (!comm || comm.test(process.comm)) &&
    (!exe || (process.exe !== null && exe.test(process.exe))) &&
    (!cmdline || (process.cmdline !== null && cmdline.test(process.cmdline))) &&
    (uid === undefined || process.uid === uid) &&
    (!adj || (process.oom_score_adj >= adj.least && process.oom_score_adj <= adj.most)) &&
    glob(cgroup, process.cgroup) &&
    glob(systemdUnit, process.unit) &&
    glob(container, process.container && (process.container.name ?? process.container.id))
  );
}

const glob = (pattern: string | undefined, text: string | null) =>
  pattern === undefined || (text !== null && globMatch(pattern, text));
