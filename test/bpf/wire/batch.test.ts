import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Batch } from '../../../src/bpf/wire/batch.ts';
import { OomKillRecord, OomStepRecord, RecordKind, SyntheticRecord } from '../../../src/bpf/wire/layout.ts';
import { batchOf, killRecord, stepRecord, syntheticRecord } from './records.ts';

interface Visit {
  kind: number;
  at: number;
  size: number;
}

/** Checks what walk() guarantees for any bytes: it ends, and visits records in order, all of them within the batch. */
function walkAnything(bytes: Uint8Array): { visits: Visit[]; malformed: number } {
  const batch = new Batch(Uint8Array.from(bytes).buffer);
  const visits: Visit[] = [];
  const malformed = batch.walk((kind, at) => visits.push({ kind, at, size: batch.view.getUint16(at + 2, true) }));
  let end = 0;
  for (const { kind, at, size } of visits) {
    expect(at).toBeGreaterThanOrEqual(end);
    end = at + size;
    expect(end).toBeLessThanOrEqual(bytes.length);
    expect(Object.values(RecordKind)).toContain(kind);
    expect(size).toBeGreaterThanOrEqual(
      { 1: OomKillRecord.offset.levels, 2: OomStepRecord.size, 3: SyntheticRecord.size }[kind] ?? 24,
    );
  }
  if (bytes.length > 0) expect(visits.length + malformed).toBeGreaterThan(0);
  return { visits, malformed };
}

const record = fc.oneof(
  fc
    .nat({ max: 16 })
    .map((levels) =>
      killRecord({ levels: Array.from({ length: levels }, (_, i) => ({ id: BigInt(i), name: `level-${i}` })) }),
    ),
  fc.constant(stepRecord({ pid: 7, step: 5, ktimeNs: 1n })),
  fc.bigInt(0n, 2n ** 64n - 1n).map((sequence) => syntheticRecord(sequence)),
);
const records = fc.array(record, { maxLength: 12 });

test('visits the records of a batch in order', () => {
  fc.assert(
    fc.property(records, (made) => {
      const batch = batchOf(...made);
      const kinds: number[] = [];
      const malformed = batch.walk((kind, at) => {
        const size = batch.view.getUint16(at + 2, true);
        expect(Buffer.from(batch.view.buffer, at, size)).toEqual(made[kinds.length]);
        kinds.push(kind);
      });
      expect(malformed).toBe(0);
      expect(kinds.length).toBe(made.length);
      expect(batch.records().map(({ header }) => header.kind)).toEqual(kinds);
    }),
  );
});

test('visits the complete records of a truncated batch, and counts the rest as one malformed record', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), fc.nat(), (made, where) => {
      const whole = Buffer.from(batchOf(...made).view.buffer);
      const cut = whole.subarray(0, where % whole.length);
      const { visits, malformed } = walkAnything(cut);
      let end = 0;
      const ends = made.map(({ length }) => {
        const last = end + length;
        end += (length + 7) & ~7;
        return { last, end };
      });
      const expected = ends.filter(({ last }) => last <= cut.length).length;
      expect(visits.length).toBe(expected);
      // A cut within the padding after a record removes nothing.
      const taken = ends[expected - 1]?.last ?? 0;
      expect(malformed).toBe(cut.length > ((taken + 7) & ~7) ? 1 : 0);
    }),
  );
});

test('walks batches of random bytes without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000, size: 'max' }), (bytes) => void walkAnything(bytes)),
    { numRuns: 300 },
  );
});

test('walks real records with changed bytes (wrong sizes, kinds and lengths) without an error', () => {
  const flip = fc.record({ record: fc.nat(), at: fc.nat({ max: 40 }), value: fc.nat({ max: 255 }) });
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), fc.array(flip, { maxLength: 8 }), (made, flips) => {
      const copies = made.map((bytes) => Buffer.from(bytes));
      for (const { record: which, at, value } of flips) {
        const bytes = copies[which % copies.length] as Buffer;
        bytes[at % bytes.length] = value;
      }
      walkAnything(Buffer.from(batchOf(...copies).view.buffer));
    }),
    { numRuns: 1000 },
  );
});

test('counts a record of an unknown kind as malformed, and goes on with the next record', () => {
  const unknown = syntheticRecord(1n);
  for (const kind of [0, RecordKind.RECORD_KINDS, 77, 0xffff]) {
    unknown.writeUInt16LE(kind, 0);
    const { visits, malformed } = walkAnything(Buffer.from(batchOf(unknown, syntheticRecord(2n), unknown).view.buffer));
    expect(visits.map(({ at }) => at)).toEqual([40]);
    expect(malformed).toBe(2);
  }
});

test('counts a record that is too short for its kind as malformed, and does not visit it', () => {
  const kill = killRecord();
  for (const [kind, size] of [
    [RecordKind.RECORD_OOM_KILL, OomKillRecord.offset.levels - 1],
    [RecordKind.RECORD_OOM_STEP, OomStepRecord.size - 1],
    [RecordKind.RECORD_SYNTHETIC, SyntheticRecord.size - 1],
  ] as const) {
    const short = kill.subarray(0, (size + 7) & ~7);
    short.writeUInt16LE(kind, 0);
    short.writeUInt16LE(size, 2);
    expect(walkAnything(short)).toEqual({ visits: [], malformed: 1 });
  }
});

test('counts a kill record as malformed if its levels are shorter than its levels_length', () => {
  const kill = killRecord({ levels: [{ id: 1n, name: 'a' }] });
  const length = kill.length - OomKillRecord.offset.levels;
  for (const claimed of [length + 1, 2 * length, 0xffff_ffff]) {
    kill.writeUInt32LE(claimed, OomKillRecord.offset.levels_length);
    expect(walkAnything(kill)).toEqual({ visits: [], malformed: 1 });
  }
  kill.writeUInt32LE(length, OomKillRecord.offset.levels_length);
  expect(walkAnything(kill).malformed).toBe(0);
});

test('stops at a record whose size is too small or goes beyond the end of the batch', () => {
  for (const size of [0, 1, 23, 41, 0xffff]) {
    const bytes = syntheticRecord(1n);
    bytes.writeUInt16LE(size, 2);
    expect(walkAnything(bytes)).toEqual({ visits: [], malformed: 1 });
  }
});

test('finds no record and no malformed record in an empty batch', () => {
  expect(walkAnything(new Uint8Array())).toEqual({ visits: [], malformed: 0 });
});
