/**
 * Decodes the kernel's record of a kill into the facts of an `oom.kill` event.
 */
import { KillFact, killKindNames, OomCandidatesRecord, OomConstraint, OomKillRecord } from '../bpf/wire/layout.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import { type GfpBits, gfpNames } from '../kernel-facts/gfp-names.ts';
import { noOwner } from '../model/container.ts';
import type { Candidate, KillKind, OomKill, Scope, Trigger, Victim, VictimMemory } from '../model/events.ts';
import { formatMask } from '../text/format.ts';
import { type Decoded, decode, splitNul, untilNul } from '../text/printable.ts';
import { cgroupsOf, type KillCgroups, limitOf } from './kill-cgroups.ts';

/** Constants of the machine that are needed to decode a record. */
export interface Machine {
  pageBytes: number;
  /** A per-CPU counter's approximate value may be off by batch × CPUs. */
  cpus: number;
  gfp: GfpBits;
}

export type KillFacts = Pick<
  OomKill,
  | 'kind'
  | 'victim'
  | 'trigger'
  | 'scope'
  | 'limit'
  | 'limit_inferred'
  | 'composition'
  | 'cgroups'
  | 'cgroup_version'
  | 'domain_bytes'
  | 'badness_pages'
  | 'candidates'
  | 'candidates_considered'
  | 'nodemask'
  | 'signal_to_mark_ns'
  | 'missing'
>;

const kinds: Readonly<Record<number, KillKind>> = killKindNames;
const scopes: Readonly<Record<number, Scope>> = {
  [OomConstraint.CONSTRAINT_NONE]: 'system',
  [OomConstraint.CONSTRAINT_CPUSET]: 'cpuset',
  [OomConstraint.CONSTRAINT_MEMORY_POLICY]: 'mempolicy',
  [OomConstraint.CONSTRAINT_MEMCG]: 'cgroup',
};

export function killFacts(record: OomKillRecord, machine: Machine): KillFacts {
  const facts = record.facts;
  const has = (fact: keyof typeof KillFact) => (facts & KillFact[fact]) !== 0;
  const bytes = (pages: bigint) => Number(pages) * machine.pageBytes;
  const cgroups = cgroupsOf(record, machine.pageBytes);
  const limit = limitOf(record, cgroups, machine.pageBytes);
  const missing: string[] = [];
  const victim = victimOf(record, machine, cgroups);
  for (const field of ['exe', 'cmdline', 'memory', 'cgroup'] as const) {
    if (victim[field] === null) missing.push(`victim.${field}`);
  }
  if (victim.cmdline_truncated) missing.push('victim.cmdline');
  if (cgroups.lacksLevels) missing.push('cgroups');
  if (limit.isCut) missing.push('limit.path');
  if (!has('FACT_OOM_CONTROL')) missing.push('oom_control');
  return {
    kind: kinds[record.kill_kind] ?? 'killed',
    victim,
    trigger: triggerOf(record, machine),
    scope: has('FACT_OOM_CONTROL') ? (scopes[record.constraint] ?? null) : limit.cgroup ? 'cgroup' : null,
    limit: limit.cgroup && { ...limit.cgroup, ...noOwner },
    limit_inferred: limit.inferred,
    composition: null,
    cgroups: cgroups.usages,
    cgroup_version: has('FACT_CGROUPS') ? (has('FACT_CGROUP_V1') ? 1 : 2) : null,
    domain_bytes: has('FACT_OOM_CONTROL') ? bytes(record.domain_pages) : null,
    badness_pages: has('FACT_OOM_CONTROL') ? badnessOf(record.chosen_points) : null,
    candidates: null,
    candidates_considered: null,
    nodemask: has('FACT_NODEMASK') ? formatMask(record.nodemask) : null,
    signal_to_mark_ns: record.signal_ktime_ns === 0n ? null : Number(record.header.ktime_ns - record.signal_ktime_ns),
    missing,
  };
}

/**
 * null: the kernel did not compute the victim's badness. `chosen_points` is then LONG_MIN, or LONG_MAX during
 * swapoff(2).
 */
function badnessOf(points: bigint): number | null {
  const pages = Number(points);
  return Number.isSafeInteger(pages) ? pages : null;
}

function victimOf(record: OomKillRecord, machine: Machine, cgroups: KillCgroups): Victim {
  const has = (fact: keyof typeof KillFact) => (record.facts & KillFact[fact]) !== 0;
  const known = has('FACT_TASK');
  const comm = known ? decode(untilNul(record.victim_comm)) : undefined;
  const processComm = known ? decode(untilNul(record.victim_process_comm)) : undefined;
  const exe = has('FACT_EXE') && !has('FACT_EXE_CUT') ? exeOf(record) : undefined;
  const cmdline = has('FACT_CMDLINE')
    ? splitNul(record.cmdline.subarray(0, record.cmdline_length)).map(decode)
    : undefined;
  return {
    pid: record.victim_pid,
    tid: record.victim_tid,
    ppid: known ? record.victim_ppid : null,
    uid: known ? record.victim_uid : null,
    comm: comm?.text ?? null,
    process_comm: processComm?.text ?? null,
    exe: exe?.text ?? null,
    cmdline: cmdline?.map(({ text }) => text) ?? null,
    cmdline_truncated: has('FACT_CMDLINE_CUT'),
    start_ticks: known ? toTicks(record.victim_start_ns) : null,
    threads: known ? record.victim_threads : null,
    oom_score_adj: known ? record.victim_oom_score_adj : null,
    memory: has('FACT_MM') ? memoryOf(record, machine) : null,
    namespace_pids: namespacePids(record),
    cgroup: cgroups.path,
    ...noOwner,
    inner_containers: [],
    raw: rawOf({
      cgroup: cgroups.hex,
      comm: comm?.hex,
      process_comm: processComm?.hex,
      exe: exe?.hex,
      cmdline: cmdline?.some(({ hex }) => hex !== undefined)
        ? Buffer.from(record.cmdline.subarray(0, record.cmdline_length)).toString('hex')
        : undefined,
    }),
  };
}

function namespacePids(record: OomKillRecord): number[] {
  const pids: number[] = [];
  const count = Math.min(record.victim_namespaces, OomKillRecord.length.victim_pids);
  for (let i = 0; i < count; i++) pids.push(record.victim_pids(i));
  return pids;
}

/** The strings that are not valid UTF-8, as bytes in hexadecimal. null: all strings are valid. */
export function rawOf(hex: Record<string, string | undefined>): Victim['raw'] {
  let raw: Record<string, string> | null = null;
  for (const name in hex) {
    const value = hex[name];
    if (value === undefined) continue;
    raw ??= {};
    raw[name] = value;
  }
  return raw;
}

/** The executable's path. The record has the path's components, innermost first. */
function exeOf(record: OomKillRecord): Decoded {
  const parts = splitNul(record.exe.subarray(0, record.exe_length)).reverse();
  const decoded = parts.map(decode);
  if (decoded.every(({ hex }) => hex === undefined)) {
    return { text: decoded.map(({ text }) => `/${text}`).join(''), hex: undefined };
  }
  return decode(Buffer.concat(parts.flatMap((part) => [Buffer.from('/'), part])));
}

function memoryOf(record: OomKillRecord, machine: Machine): VictimMemory {
  const bytes = (pages: bigint) => Math.max(0, Number(pages)) * machine.pageBytes;
  const { victim_rss: rss, victim_rss_approx: approx } = record;
  const exact = (record.facts & KillFact.FACT_RSS_EXACT) !== 0;
  const differs = rss.anon !== approx.anon || rss.file !== approx.file || rss.shmem !== approx.shmem;
  return {
    total_vm_bytes: bytes(record.victim_total_vm_pages),
    rss_bytes: bytes(rss.anon + rss.file + rss.shmem),
    anon_rss_bytes: bytes(rss.anon),
    file_rss_bytes: bytes(rss.file),
    shmem_rss_bytes: bytes(rss.shmem),
    swap_bytes: bytes(rss.swap),
    page_tables_bytes: Number(record.victim_page_table_bytes),
    // Each CPU may hold back up to percpu_counter_batch = max(32, 2 × CPUs) (include/linux/percpu_counter.h).
    error_bound_bytes: exact ? 0 : Math.max(32, machine.cpus * 2) * machine.cpus * machine.pageBytes,
    approximate: differs
      ? { anon_rss_bytes: bytes(approx.anon), file_rss_bytes: bytes(approx.file), shmem_rss_bytes: bytes(approx.shmem) }
      : null,
  };
}

function triggerOf(record: OomKillRecord, machine: Machine): Trigger {
  const exact = (record.facts & KillFact.FACT_OOM_CONTROL) !== 0;
  const known = exact || (record.facts & KillFact.FACT_RECLAIM) !== 0;
  const mask = record.trigger_gfp;
  return {
    pid: record.trigger_pid,
    tid: record.trigger_tid,
    uid: record.trigger_uid,
    comm: decode(untilNul(record.trigger_comm)).text,
    start_ticks: toTicks(record.trigger_start_ns),
    gfp_mask: known ? `0x${mask.toString(16)}` : null,
    gfp: known ? gfpOf(mask, machine.gfp) : null,
    order: known ? record.trigger_order : null,
    gfp_source: exact ? 'oom_control' : known ? 'reclaim' : null,
    cgroup_id: record.trigger_cgroup_id === 0n ? null : String(record.trigger_cgroup_id),
    mems_allowed: (record.facts & KillFact.FACT_MEMS_ALLOWED) !== 0 ? formatMask(record.mems_allowed) : null,
  };
}

/** The names of the last mask: nearly all kills have the same one. */
let lastGfp: { mask: number; bits: GfpBits; names: string } | undefined;

function gfpOf(mask: number, bits: GfpBits): string {
  if (lastGfp?.mask !== mask || lastGfp.bits !== bits) lastGfp = { mask, bits, names: gfpNames(mask, bits) };
  return lastGfp.names;
}

/** The candidates of a kill, highest badness first. */
export function candidatesOf(record: OomCandidatesRecord, pageBytes: number): Candidate[] {
  const bytes = (pages: bigint) => Math.max(0, Number(pages)) * pageBytes;
  return Array.from({ length: Math.min(record.count, OomCandidatesRecord.length.candidates) }, (_, i) => {
    const { pid, uid, oom_score_adj, points, rss, page_table_bytes, comm } = record.candidates(i);
    return {
      pid,
      uid,
      comm: decode(untilNul(comm)).text,
      oom_score_adj,
      badness_pages: Number(points),
      rss_bytes: bytes(rss.anon) + bytes(rss.file) + bytes(rss.shmem),
      swap_bytes: bytes(rss.swap),
      page_tables_bytes: Number(page_table_bytes),
      cgroup: null,
      ...noOwner,
    };
  });
}
