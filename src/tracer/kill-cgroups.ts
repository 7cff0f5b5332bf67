/** Decodes the cgroups in the kernel's record of a kill: the victim's cgroup, its ancestors, and the limit that was hit. */
import { CgroupLevel, KernelLimit, KillFact, OomKillRecord } from '../bpf/wire/layout.ts';
import type { CgroupUsage } from '../model/events.ts';
import { type Decoded, decode } from '../text/printable.ts';

export interface KillCgroups {
  /** The victim's cgroup and its ancestors, in this order. If the record lacks the upper ones, "…" stands for them. */
  usages: CgroupUsage[];
  /** Whether the upper ancestors did not fit into the record, so that no path is known. */
  isCut: boolean;
  /** Whether levels are missing in `usages`. */
  lacksLevels: boolean;
  /** The path of the victim's cgroup. null: unknown. */
  path: string | null;
  /** The bytes of `path`, in hexadecimal, if they are not valid UTF-8. */
  hex: string | undefined;
}

/** @param pageBytes the size of a page */
export function cgroupsOf(record: OomKillRecord, pageBytes: number): KillCgroups {
  if ((record.facts & KillFact.FACT_CGROUPS) === 0) {
    return { usages: [], isCut: false, lacksLevels: false, path: null, hex: undefined };
  }
  const v1 = (record.facts & KillFact.FACT_CGROUP_V1) !== 0;
  const { levels, isWhole } = levelsIn(record);
  const isCut = !isWhole || (record.facts & KillFact.FACT_LEVELS_CUT) !== 0;
  const usages: CgroupUsage[] = [];
  let path = isCut ? '/…' : '';
  for (const { level, name } of levels.reverse()) {
    if (name) path += `/${name.text}`;
    usages.unshift(usageOf(level, path || '/', v1, pageBytes));
  }
  const whole = usages[0]?.path ?? null;
  return { ...bounded(usages, isCut), path: isCut ? null : whole, hex: isCut ? undefined : hexOf(levels) };
}

/** The most characters in the paths of all levels. A user who may create cgroups could otherwise make an event of megabytes. */
const MOST_CHARACTERS = 65536;

/** Leaves out levels without a limit if the paths are very long. The first and the last level stay. */
function bounded(usages: CgroupUsage[], isCut: boolean): Pick<KillCgroups, 'usages' | 'isCut' | 'lacksLevels'> {
  const isLong = usages.reduce((sum, { path }) => sum + path.length, 0) > MOST_CHARACTERS;
  if (!isLong) return { usages, isCut, lacksLevels: isCut };
  let left = MOST_CHARACTERS;
  const kept = usages.filter(({ limit_bytes, path }, i) => {
    const isEnd = i === 0 || i === usages.length - 1;
    if (!isEnd && (limit_bytes === null || path.length > left)) return false;
    left -= path.length;
    return true;
  });
  return { usages: kept, isCut, lacksLevels: true };
}

/** The limit in the kernel's oom_control; if it is unknown, the innermost cgroup at its limit, where a charge fails. */
export function limitOf(
  record: OomKillRecord,
  { usages, isCut }: KillCgroups,
  pageBytes: number,
): { cgroup: CgroupUsage | null; inferred: boolean; isCut: boolean } {
  if ((record.facts & KillFact.FACT_LIMIT) !== 0) {
    const level = record.limit;
    const known = usages.find(({ id }) => id === String(level.id));
    if (known) return { cgroup: known, inferred: false, isCut };
    const v1 = (record.facts & KillFact.FACT_CGROUP_V1) !== 0;
    const name = record.limit_name.subarray(0, level.name_length);
    const cgroup = usageOf(level, name.length > 0 ? `/…/${decode(name).text}` : '/', v1, pageBytes);
    return { cgroup, inferred: false, isCut: name.length > 0 };
  }
  if ((record.facts & KillFact.FACT_OOM_CONTROL) !== 0) return { cgroup: null, inferred: false, isCut: false };
  const slack = KernelLimit.CHARGE_BATCH_PAGES * pageBytes;
  const full = usages.find(({ limit_bytes: limit, usage_bytes: usage }) => limit !== null && usage + slack >= limit);
  return { cgroup: full ?? null, inferred: full !== undefined, isCut: full !== undefined && isCut };
}

interface Level {
  level: CgroupLevel;
  bytes: Uint8Array;
  /** undefined: the root, which has no name. */
  name: Decoded | undefined;
}

/** The record's levels, the victim's cgroup first. isWhole: the used bytes are those of whole levels. */
function levelsIn({ view, at, levels_length }: OomKillRecord): { levels: Level[]; isWhole: boolean } {
  const levels: Level[] = [];
  const end = Math.min(at + OomKillRecord.offset.levels + levels_length, view.byteLength);
  for (let next = at + OomKillRecord.offset.levels; next < end; ) {
    const nameAt = next + CgroupLevel.size;
    if (nameAt > end) return { levels, isWhole: false };
    const level = new CgroupLevel(view, next);
    const { name_length: length } = level;
    next = nameAt + ((length + 7) & ~7);
    if (next > end) return { levels, isWhole: false };
    const bytes = new Uint8Array(view.buffer, view.byteOffset + nameAt, length);
    levels.push({ level, bytes, name: length > 0 ? decode(bytes) : undefined });
  }
  return { levels, isWhole: true };
}

/** @param levels the root first */
function hexOf(levels: Level[]): string | undefined {
  if (levels.every(({ name }) => name?.hex === undefined)) return undefined;
  const parts = levels.filter(({ name }) => name).flatMap(({ bytes }) => [Buffer.from('/'), bytes]);
  return Buffer.concat(parts).toString('hex');
}

function usageOf(level: CgroupLevel, path: string, v1: boolean, pageBytes: number): CgroupUsage {
  const { view, at } = level;
  const { usage_pages, limit_pages, swap_pages, swap_limit_pages } = CgroupLevel.offset;
  const swap = pagesAt(view, at + swap_pages) * pageBytes;
  const swapLimit = limitAt(view, at + swap_limit_pages, pageBytes);
  return {
    path,
    id: String(level.id),
    usage_bytes: pagesAt(view, at + usage_pages) * pageBytes,
    limit_bytes: limitAt(view, at + limit_pages, pageBytes),
    swap_bytes: v1 ? null : swap,
    swap_limit_bytes: v1 ? null : swapLimit,
    memory_and_swap_bytes: v1 ? swap : null,
    memory_and_swap_limit_bytes: v1 ? swapLimit : null,
    oom_group: level.oom_group !== 0,
  };
}

/** A count of 64 bits as a number, without a bigint, which takes longer. */
const pagesAt = (view: DataView, at: number) => view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);

/** null: there is no limit, which is LONG_MAX / PAGE_SIZE (include/linux/page_counter.h: PAGE_COUNTER_MAX). */
function limitAt(view: DataView, at: number, pageBytes: number): number | null {
  const pages = pagesAt(view, at);
  return pages >= 2 ** 63 / pageBytes - 1 ? null : pages * pageBytes;
}
