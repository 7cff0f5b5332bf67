/** Why the kernel ran out of memory: a limit, a zone, the allowed nodes, the size of the request, or SysRq-f. */
import type { ReportCause } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { nodeList } from '../report/nodes.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { ofZones } from './zones.ts';

export interface Cause {
  cause: ReportCause;
  /** A sentence with a small first letter, for use after a colon. */
  why: string;
}

export function causeOf(report: ReportFacts): Cause {
  const { trigger, scope } = report;
  if (trigger?.order === -1) {
    const why = 'a user pressed SysRq-f or wrote f to /proc/sysrq-trigger; no allocation had failed.';
    return { cause: 'sysrq', why };
  }
  switch (scope) {
    case 'cgroup':
      return ofLimit(report);
    case 'cpuset':
      return ofNodes(report, 'cpuset', trigger?.mems_allowed ?? null);
    case 'mempolicy':
      return ofNodes(report, 'mempolicy', report.nodemask);
    case 'system':
      return ofZones(report);
    default:
      return { cause: 'unknown', why: withoutScope(report) };
  }
}

function withoutScope({ panic, outcome, trigger }: ReportFacts): string {
  if (panic !== null) return `${printable(panic)}; the log does not say what ran out.`;
  if (outcome !== 'killed') return 'the log ends before it says what ran out.';
  return trigger ? 'the log does not say what ran out.' : 'the log has the kill only, and not what led to it.';
}

function ofLimit({ limit, victim }: ReportFacts): Cause {
  const own = victim?.cgroup ?? null;
  const path = limit?.path ?? null;
  const above = path !== null && own !== null && own !== path;
  const name = path === null ? 'a cgroup' : `the cgroup ${printable(path)}`;
  const figures = limit?.limit_bytes == null ? '' : ` of ${formatBytes(limit.limit_bytes)}`;
  const used = limit?.usage_bytes == null ? '' : `, using ${formatBytes(limit.usage_bytes)}`;
  const times = limit?.fail_count ? `; it had hit that limit ${limit.fail_count} times` : '';
  const both = limit?.memory_and_swap_limit_bytes ?? null;
  const swap =
    both !== null && limit?.memory_and_swap_bytes === both && (limit.limit_bytes === null || both < limit.limit_bytes);
  const which = swap ? `limit of memory and swap together, ${formatBytes(both)}` : `limit${figures}`;
  const level = above ? `, an ancestor of the victim’s cgroup ${printable(own)},` : '';
  return {
    cause: above ? 'ancestor_limit' : 'cgroup_limit',
    why: `${name}${level} reached its ${which}${used}${times}.`,
  };
}

function ofNodes({ memory, trigger }: ReportFacts, cause: 'cpuset' | 'mempolicy', allowed: string | null): Cause {
  const nodes = nodeList(allowed);
  const others = memory?.zones.filter(({ node }) => !nodes.has(node)) ?? [];
  const free = others.reduce((sum, zone) => sum + zone.free_bytes, 0);
  const elsewhere = allowed !== null && others.length > 0 ? `; the other nodes had ${formatBytes(free)} free` : '';
  const cpuset = trigger?.cpuset ? `the cpuset ${printable(trigger.cpuset)}` : 'the cpuset of the allocating task';
  const by = cause === 'cpuset' ? cpuset : 'the memory policy of the allocating task';
  const where = allowed === null ? 'some NUMA nodes only' : `NUMA node ${printable(allowed)} only`;
  return { cause, why: `${by} allows memory of ${where}, and no memory was left there${elsewhere}.` };
}
