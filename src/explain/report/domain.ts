/**
 * Computes the memory that ran out: the total that oom_score_adj is a share of (mm/oom_kill.c: constrained_alloc;
 * mm/memcontrol.c: mem_cgroup_get_max).
 */
import { type BadnessDomain, badnessRules, OLDEST_BADNESS } from '../../kernel-facts/oom-badness.ts';
import { isAtLeast, type KernelVersion, parseKernelVersion } from '../../kernel-facts/version.ts';
import { nodeList } from './nodes.ts';
import type { ReportFacts } from './report-facts.ts';

/**
 * `known` is false when the size is incomplete, because the report lacks a figure: a report about a cgroup does not
 * have the swap of the machine.
 */
export function domainOf(report: ReportFacts): { domain: BadnessDomain | null; known: boolean } {
  const { page_bytes: pageBytes, kernel } = report;
  const version = kernel === null ? CURRENT : (parseKernelVersion(kernel) ?? CURRENT);
  if (!isAtLeast(version, OLDEST_BADNESS)) return { domain: null, known: false };
  const rules = badnessRules(version);
  const found = report.scope === 'cgroup' ? ofCgroup(report) : ofMachine(report);
  return { domain: found && { bytes: found.bytes, pageBytes, rules }, known: found?.known ?? false };
}

/** The rules of this version are used when the report does not name its kernel. */
const CURRENT: KernelVersion = [7, 0];

function ofCgroup({ limit }: ReportFacts): { bytes: number; known: boolean } | null {
  if (limit?.limit_bytes == null) return null;
  const {
    limit_bytes: bytes,
    memory_and_swap_bytes,
    memory_and_swap_limit_bytes: both,
    swap_bytes,
    swap_limit_bytes,
  } = limit;
  const swap =
    memory_and_swap_bytes !== null && both !== null ? both - bytes : swap_bytes !== null ? swap_limit_bytes : null;
  return { bytes, known: swap === 0 };
}

function ofMachine({ scope, memory, evidence, nodemask }: ReportFacts): { bytes: number; known: boolean } | null {
  if (memory?.ram_bytes == null) return null;
  const swap = memory.swap_total_bytes;
  if (scope === 'system' || scope === null) {
    return {
      bytes: memory.ram_bytes - (memory.reserved_bytes ?? 0) + (swap ?? 0),
      known: scope !== null && memory.reserved_bytes !== null && swap !== null,
    };
  }
  const nodes = nodeList(scope === 'mempolicy' ? nodemask : evidence.mems);
  const zones = memory.zones.filter(({ node }) => nodes.has(node));
  if (zones.length === 0) return null;
  const present = zones.reduce((sum, zone) => sum + (zone.present_bytes ?? 0), 0);
  return {
    bytes: present + (swap ?? 0),
    known: swap !== null && zones.every(({ present_bytes }) => present_bytes !== null),
  };
}
