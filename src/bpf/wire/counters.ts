/**
 * `struct counters` of bpf/events.h as `RingReader.counters()` returns it: summed over all CPUs, one number for each
 * 64-bit word of the struct. The array is empty for a ring without counters.
 */
import { Counters, FullMap, fullMapNames, RecordKind, recordKindNames } from './layout.ts';

const WORD = 8;

/** Records that were lost because the ring was full, by kind. */
export function lostRecords(counters: readonly number[]): number[] {
  const first = Counters.offset.lost / WORD;
  return counters.slice(first, first + RecordKind.RECORD_KINDS);
}

/** Elements that were not added because a map of the BPF program was full, by map. */
export function fullMaps(counters: readonly number[]): number[] {
  const first = Counters.offset.full_maps / WORD;
  return counters.slice(first, first + FullMap.FULL_MAPS);
}

/** All losses that are not 0, by name. */
export function lossesByName(counters: readonly number[]): Record<string, number> {
  return { ...byName(lostRecords(counters), recordKindNames), ...byName(fullMaps(counters), fullMapNames) };
}

/**
 * @param counts indexed by the value of an enum.
 * @param names the enum's names.
 * @returns the counts that are not 0, by name
 */
export function byName(counts: readonly number[], names: Readonly<Record<number, string>>): Record<string, number> {
  const named = counts.flatMap((count, value) =>
    count > 0 ? [[names[value] ?? `kind_${value}`, count] as const] : [],
  );
  return Object.fromEntries(named);
}
