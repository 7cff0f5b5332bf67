import { expect, test } from 'vitest';
import {
  Counters,
  FullMap,
  RecordHeader,
  RecordKind,
  recordKindNames,
  recordViews,
} from '../../../src/bpf/wire/layout.ts';

const kinds = Object.entries(RecordKind).filter(([name]) => name !== 'RECORD_KINDS');

test('every kind of record has a name, a view and a loss counter', () => {
  expect(Object.keys(recordKindNames).map(Number)).toEqual(kinds.map(([, kind]) => kind));
  expect(Object.keys(recordViews)).toEqual(Object.keys(recordKindNames));
  for (const [name, kind] of kinds) {
    expect(`RECORD_${recordKindNames[kind as keyof typeof recordKindNames].toUpperCase()}`).toBe(name);
    const view = recordViews[kind as keyof typeof recordViews];
    expect(view.offset.header).toBe(0);
    expect(view.size).toBeGreaterThan(RecordHeader.size);
    expect(kind).toBeLessThan(Counters.length.lost);
  }
  expect(Counters.length).toEqual({ lost: RecordKind.RECORD_KINDS, full_maps: FullMap.FULL_MAPS });
});
