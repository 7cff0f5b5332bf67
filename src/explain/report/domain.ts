/** The size of what ran out: mm/oom_kill.c, constrained_alloc(); mm/memcontrol.c, mem_cgroup_get_max(). */

import type { Domain } from './badness.ts';
import type { ReportFacts } from './facts.ts';
import { nodeList } from './nodes.ts';

/**
 * `known` is false where the text leaves something out that counts: a report about a cgroup does not tell how much swap the
 * machine has. Then swap is left out.
 */
export function domainOf(report: ReportFacts): { domain: Domain | null; known: boolean } {
  const { page_bytes: pageBytes, kernel } = report;
  const [, major = 0, minor = 0] = /^(\d+)\.(\d+)/.exec(kernel ?? '')?.map(Number) ?? [];
  if (kernel !== null && major < 3) return { domain: null, known: false };
  const rootBonus = kernel !== null && (major < 4 || (major === 4 && minor < 17));
  const found = report.scope === 'cgroup' ? ofCgroup(report) : ofMachine(report);
  return { domain: found && { bytes: found.bytes, pageBytes, rootBonus }, known: found?.known ?? false };
}

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

function ofMachine({ scope, memory, trigger, nodemask }: ReportFacts): { bytes: number; known: boolean } | null {
  if (memory?.ram_bytes == null) return null;
  const swap = memory.swap_total_bytes;
  if (scope === 'system') {
    return {
      bytes: memory.ram_bytes - (memory.reserved_bytes ?? 0) + (swap ?? 0),
      known: memory.reserved_bytes !== null && swap !== null,
    };
  }
  const nodes = nodeList(scope === 'mempolicy' ? nodemask : (trigger?.mems_allowed ?? null));
  const zones = memory.zones.filter(({ node }) => nodes.has(node));
  if (zones.length === 0) return null;
  const present = zones.reduce((sum, zone) => sum + (zone.present_bytes ?? 0), 0);
  return {
    bytes: present + (swap ?? 0),
    known: swap !== null && zones.every(({ present_bytes }) => present_bytes !== null),
  };
}
