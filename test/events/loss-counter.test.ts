import { expect, test } from 'vitest';
import { lossesByName } from '../../src/bpf/wire/counters.ts';
import { Counters, FullMap, RecordKind, recordKindNames } from '../../src/bpf/wire/layout.ts';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import { LossCounter } from '../../src/events/loss-counter.ts';

/** Composes the array of numbers that RingReader.counters() returns (struct counters). */
function counters(lost: Record<number, number>, full: Record<number, number> = {}): number[] {
  const words: number[] = Array(Counters.size / 8).fill(0);
  for (const [kind, count] of Object.entries(lost)) words[Counters.offset.lost / 8 + Number(kind)] = count;
  for (const [map, count] of Object.entries(full)) words[Counters.offset.full_maps / 8 + Number(map)] = count;
  return words;
}

const { RECORD_OOM_KILL: KILL, RECORD_OOM_STEP: STEP } = RecordKind;

test('counts lost records under the name of their kind, and full maps under the name of the map', () => {
  const kinds = Object.keys(recordKindNames).map(Number);
  const all = lossesByName(
    counters(Object.fromEntries(kinds.map((kind) => [kind, kind])), {
      [FullMap.FULL_MAP_STALL_TASK]: 101,
      [FullMap.FULL_MAP_STALL_GROUP]: 102,
    }),
  );
  expect(all).toEqual({
    ...Object.fromEntries(kinds.map((kind) => [recordKindNames[kind as keyof typeof recordKindNames], kind])),
    stall_task: 101,
    stall_group: 102,
  });
});

test('reports only the losses since the last call, and the total so far', () => {
  const losses = new LossCounter(new EnvelopeFactory());
  expect(losses.take(counters({}))).toEqual([]);
  const [first] = losses.take(counters({ [KILL]: 2, [STEP]: 1 }));
  expect(first).toMatchObject({ type: 'tracer.lost', where: 'ring', lost: { oom_kill: 2, oom_step: 1 }, total: 3 });
  expect(first?.message).toContain('Lost: 2 oom_kill, 1 oom_step. ');
  expect(losses.take(counters({ [KILL]: 2, [STEP]: 1 }))).toEqual([]);
  const [second] = losses.take(counters({ [KILL]: 5, [STEP]: 1 }));
  expect(second).toMatchObject({ lost: { oom_kill: 3 }, total: 6 });
  expect(losses.total).toBe(6);
});

test('reports a full map as a separate event, not as lost records', () => {
  const losses = new LossCounter(new EnvelopeFactory());
  const full = { [FullMap.FULL_MAP_STALL_GROUP]: 4 };
  const events = losses.take(counters({ [KILL]: 1 }, full));
  expect(events).toMatchObject([
    { where: 'ring', lost: { oom_kill: 1 }, total: 1 },
    { where: 'map', lost: { stall_group: 4 }, total: 4 },
  ]);
  expect(losses.total).toBe(1);
});

test('reports nothing if the ring buffer has no counters', () => {
  const losses = new LossCounter(new EnvelopeFactory());
  losses.take(counters({ [KILL]: 2 }));
  expect(losses.take([])).toEqual([]);
  expect(losses.counters).toEqual(counters({ [KILL]: 2 }));
});

test('reports malformed records, and events that a slow receiver did not get', () => {
  const losses = new LossCounter(new EnvelopeFactory());
  expect(losses.malformed(0)).toEqual([]);
  losses.malformed(2);
  expect(losses.malformed(1)).toMatchObject([{ where: 'malformed', lost: { record: 1 }, total: 3 }]);
  expect(losses.behind({ 'oom.kill': 2, 'oom.reaped': 1 })).toMatchObject({ where: 'reader', total: 3 });
});
