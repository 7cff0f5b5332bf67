/** Finds the cause of an OOM: a limit, a zone, the allowed NUMA nodes, the size of the request, or SysRq-f. */
import type { ReportCause, ReportZone } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { nodeList } from '../report/nodes.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { isSysrq } from './factors.ts';
import { hitsOf, nameOfLimit } from './limit.ts';
import { ofZones } from './zones.ts';

export interface Cause {
  cause: ReportCause;
  /** A sentence that begins with a lower-case letter, for use after a colon. */
  why: string;
}

export function causeOf(report: ReportFacts): Cause {
  const { scope } = report;
  if (isSysrq(report)) {
    const why = 'a user pressed SysRq-f or wrote f to /proc/sysrq-trigger; no allocation had failed.';
    return { cause: 'sysrq', why };
  }
  if (isPageFault(report)) return pageFault(report);
  switch (scope) {
    case 'cgroup':
      return ofLimit(report);
    case 'cpuset':
      return ofNodes(report, 'cpuset', report.evidence.mems);
    case 'mempolicy':
      return ofNodes(report, 'mempolicy', report.nodemask);
    case 'system':
      return ofZones(report);
    default:
      // A report with zones is never about a cgroup's limit: its zones can explain it.
      return report.memory && report.memory.zones.length > 0
        ? ofZones(report)
        : { cause: 'unknown', why: withoutScope(report) };
  }
}

function withoutScope(report: ReportFacts): string {
  const { panic, outcome, trigger, parts } = report;
  if (noLimitRanOut(report))
    return 'the machine ran out of memory, or the NUMA nodes that the request could use; it was not the limit of a cgroup.';
  if (panic !== null)
    return `${printable(panic)}; the log does not say whether a cgroup or the machine ran out of memory.`;
  if (outcome === 'unknown')
    return 'the log says neither whether a cgroup or the machine ran out of memory, nor what the kernel did.';
  if (outcome === 'nobody_killable') return 'the log does not say whether a cgroup or the machine ran out of memory.';
  return trigger || parts.some((part) => !['kill', 'reaper', 'summary'].includes(part))
    ? 'the log does not say whether a cgroup or the machine ran out of memory.'
    : 'the log has only the kill, not the lines before it.';
}

/**
 * True when the log shows that no limit of a cgroup was the cause, although it does not show what else was. For a limit
 * the kernel says "Memory cgroup out of memory", and prints no Mem-Info (mm/oom_kill.c: dump_header, out_of_memory).
 */
export const noLimitRanOut = ({ scope, victim, memory }: ReportFacts): boolean =>
  scope === null && (memory !== null || /^Out of memory/.test(victim?.reason ?? ''));

function ofLimit({ limit, victim }: ReportFacts): Cause {
  const own = victim?.cgroup ?? null;
  const path = limit?.path ?? null;
  const above = path !== null && own !== null && own !== path;
  const hits = limit ? hitsOf(limit) : [];
  const which = hits.length === 0 ? 'limit' : hits.map(({ words }) => words).join(' and its ');
  const [hit] = hits;
  const used = hit?.usageBytes == null ? '' : `, using ${formatBytes(hit.usageBytes)}`;
  const times = limit?.fail_count
    ? `; it had hit ${hits.length > 0 ? 'its memory' : 'that'} limit ${limit.fail_count} times`
    : '';
  const level = above ? `, an ancestor of the victim’s cgroup ${printable(own)},` : '';
  return {
    cause: above ? 'ancestor_limit' : 'cgroup_limit',
    why: `${nameOfLimit(path)}${level} reached its ${which}${used}${times}.`,
  };
}

function ofNodes(report: ReportFacts, cause: 'cpuset' | 'mempolicy', allowed: string | null): Cause {
  const { memory, evidence } = report;
  const nodes = nodeList(allowed);
  const zones = memory?.zones ?? [];
  const [own, others] = [zones.filter(({ node }) => nodes.has(node)), zones.filter(({ node }) => !nodes.has(node))];
  const sum = (list: readonly ReportZone[]) => formatBytes(list.reduce((bytes, zone) => bytes + zone.free_bytes, 0));
  const cpuset = evidence.cpuset ? `the cpuset ${printable(evidence.cpuset)}` : 'the cpuset of the allocating task';
  const by = cause === 'cpuset' ? cpuset : 'the memory policy of the allocating task';
  const where = allowed === null ? 'some NUMA nodes only' : `NUMA node ${printable(allowed)} only`;
  const free = own.filter((zone) => zone.free_bytes > zone.high_bytes);
  const names = [...new Set(free.map(({ name }) => name))].join(', ');
  const there =
    own.length === 0
      ? ''
      : free.length === 0
        ? ', and those were full'
        : `; ${sum(free)} were free there, in zone ${names}, and the request could not use them`;
  const elsewhere = allowed !== null && others.length > 0 ? `; the other nodes had ${sum(others)} free` : '';
  return { cause, why: `${by} allows memory of ${where}${there}${elsewhere}.` };
}

/** pagefault_out_of_memory() calls the OOM killer without an allocation, so gfp_mask is 0. */
export function isPageFault({ trigger, scope }: ReportFacts): boolean {
  if (!trigger || scope === 'cgroup') return false;
  const zero = trigger.gfp_mask !== null && Number(trigger.gfp_mask) === 0;
  return zero && (trigger.order ?? 0) === 0;
}

function pageFault({ evidence: { slubCgroup } }: ReportFacts): Cause {
  const refused = 'a page fault was refused, but no allocation had failed (gfp_mask is 0).';
  const why =
    slubCgroup === null
      ? `${refused} The limit of a cgroup may refuse a page fault, on cgroup v1 often the limit of kernel memory; the report does not say which limit.`
      : `${refused} Just before, a slab cache of the cgroup ${printable(slubCgroup)} could not grow: the limit of this cgroup, probably that of its kernel memory, refused the page fault.`;
  return { cause: 'page_fault', why };
}
