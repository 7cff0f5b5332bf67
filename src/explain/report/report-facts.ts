/** What a report holds before it is judged. */
import type { OomReport } from '../../model/oom-report.ts';

export type ReportFacts = Pick<
  OomReport,
  | 'kernel'
  | 'parts'
  | 'outcome'
  | 'panic'
  | 'scope'
  | 'victim'
  | 'group'
  | 'trigger'
  | 'limit'
  | 'cgroup_version'
  | 'nodemask'
  | 'page_bytes'
  | 'memory'
  | 'tasks'
> & {
  evidence: Evidence;
};

/** What the lines say that no field of the event has. */
export interface Evidence {
  /** SysRq-f, by the line before the head. */
  sysrq: boolean;
  /** "COMPACTION is disabled!!!" */
  noCompaction: boolean;
  /** The cpuset and the nodes that the summary names; `trigger` has them only where the log has a head. */
  cpuset: string | null;
  mems: string | null;
}
