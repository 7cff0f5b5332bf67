/** The facts of a report, without the verdict. */
import type { OomReport } from '../../model/oom-report.ts';

export type ReportFacts = Pick<
  OomReport,
  | 'kernel'
  | 'taints'
  | 'hardware'
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

/** Facts that the verdict needs and that are no field of the event. */
export interface Evidence {
  /** The kill was requested with SysRq-f, by the line "Manual OOM execution". */
  sysrq: boolean;
  /** The cgroup of which a slab cache could not grow just before the report. */
  slubCgroup: string | null;
  /** The report has the line "COMPACTION is disabled!!!". */
  noCompaction: boolean;
  /** The cpuset of the allocating task; `trigger` has it as well, but only when the report has a head. */
  cpuset: string | null;
  /** The NUMA nodes that the allocating task may use. */
  mems: string | null;
}
