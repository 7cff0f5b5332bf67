import { afterEach, expect, test, vi } from 'vitest';
import { Batch } from '../../src/bpf/wire/batch.ts';
import { type OomKillRecord, RecordHeader, RecordKind, RehearsalRecord } from '../../src/bpf/wire/layout.ts';
import type { Event, SystemState } from '../../src/model/events.ts';
import { Rehearsal } from '../../src/tracer/rehearsal.ts';
import { killRecord } from '../bpf/wire/records.ts';

const opened: Rehearsal[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  vi.useRealTimers();
});

/** A rehearsal whose records are kept instead of sent. @param canSend false: as without CAP_BPF */
function rehearsal(canSend = true, reports?: { rehearse(): void }, read = () => ({}) as SystemState) {
  const sent: Buffer[] = [];
  const events: Event[] = [];
  const one = new Rehearsal({
    owner: {},
    machine: { pageBytes: 4096, cpus: 1, gfp: {} },
    system: { read, composition: () => undefined },
    ...{ cgroups: undefined, containers: undefined, leadUps: undefined, reports },
    send: (records) => {
      if (canSend) sent.push(recordOf(records));
      return canSend;
    },
  });
  opened.push(one);
  one.events$.subscribe((event) => events.push(event));
  return { one, sent, events };
}

/** As bpf/rehearsal.bpf.h does. */
function recordOf(records: Uint8Array): Buffer {
  const bytes = Buffer.alloc(RehearsalRecord.size);
  bytes.writeUInt16LE(RecordKind.RECORD_REHEARSAL, RecordHeader.offset.kind);
  bytes.writeUInt16LE(bytes.length, RecordHeader.offset.size);
  bytes.writeUInt32LE(records.length, RehearsalRecord.offset.length);
  bytes.set(records, RehearsalRecord.offset.records);
  return bytes;
}

const batch = (...records: Buffer[]) => new Batch(new Uint8Array(Buffer.concat(records)).buffer, 5n, 6n);
const kill = (pid: number) => killRecord({ victimComm: 'hog', numbers: { victim_pid: pid } });
const victims = (left: Batch | undefined) => left?.records().map((each) => (each as OomKillRecord).victim_pid);

test('runs a rehearsal that comes alone, and leaves nothing of it', () => {
  const { one, sent, events } = rehearsal();
  one.again();
  expect(events).toEqual([]);
  expect(one.takeFrom(batch(sent[0] as Buffer))).toBeUndefined();
  expect(events.map(({ type }) => type)).toEqual(['oom.kill', 'oom.reaped']);
  expect(events[0]).toMatchObject({ victim: { comm: 'rehearsal' }, enrichment: 'live' });
});

test('rehearses a report with each kill, but not when a kill is imminent', () => {
  vi.useFakeTimers({ toFake: ['hrtime', 'setTimeout', 'clearTimeout'] });
  const rehearse = vi.fn();
  const { one, events } = rehearsal(true, { rehearse });
  one.prepare();
  const atStart = rehearse.mock.calls.length;
  expect(atStart).toBeGreaterThan(0);
  vi.advanceTimersByTime(1000);
  one.soon();
  vi.advanceTimersByTime(1000);
  expect(events.map(({ type }) => type)).toEqual(['oom.kill', 'oom.reaped']);
  expect(rehearse).toHaveBeenCalledTimes(atStart);
  one.again();
  expect(rehearse).toHaveBeenCalledTimes(atStart + 1);
});

test.each([
  ['before', [kill(5), kill(6), undefined]],
  ['after', [undefined, kill(5), kill(6)]],
  ['around', [kill(5), undefined, kill(6)]],
])('passes on the real records %s a rehearsal whole, and drops the rehearsal', (_, records) => {
  const { one, sent, events } = rehearsal();
  one.again();
  const left = one.takeFrom(batch(...records.map((record) => record ?? (sent[0] as Buffer))));
  expect(victims(left)).toEqual([5, 6]);
  expect(left).toMatchObject({ receivedNs: 5n, realtimeOffsetNs: 6n });
  expect(events).toEqual([]);
});

test('sends no second rehearsal before the first has come back', () => {
  const { one, sent } = rehearsal();
  one.again();
  one.again();
  expect(sent).toHaveLength(1);
  one.takeFrom(batch(sent[0] as Buffer));
  one.again();
  expect(sent).toHaveLength(2);
});

test('passes on every batch as it is while no rehearsal is due', () => {
  const { one } = rehearsal();
  const real = batch(kill(5));
  expect(one.takeFrom(real)).toBe(real);
});

test('rehearses without the ring where it cannot send', () => {
  const { one, events } = rehearsal(false);
  one.again();
  expect(events.map(({ type }) => type)).toEqual(['oom.kill', 'oom.reaped']);
});

test('has another container each time, so that the owner of its cgroup is looked for again', () => {
  const { one, events } = rehearsal(false);
  for (let i = 0; i < 20; i++) one.again();
  const ids = events.flatMap((event) => (event.type === 'oom.kill' ? [event.victim.container?.id] : []));
  expect(new Set(ids).size).toBe(20);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{64}$/);
});

test('rehearses a moment after a kill has become imminent, unless the kill or another rehearsal came first', () => {
  vi.useFakeTimers({ toFake: ['hrtime', 'setTimeout', 'clearTimeout'] });
  const { one, events } = rehearsal();
  one.prepare();
  vi.advanceTimersByTime(1000);
  one.soon();
  expect(events).toEqual([]); // a kill that comes at once does not wait for the rehearsal
  one.warmed();
  vi.advanceTimersByTime(1);
  expect(events).toEqual([]);
  vi.advanceTimersByTime(1000);
  one.soon();
  one.soon();
  vi.advanceTimersByTime(1);
  expect(events.map(({ type }) => type)).toEqual(['oom.kill', 'oom.reaped']);
  vi.advanceTimersByTime(1000);
  one.soon();
  one.close();
  vi.advanceTimersByTime(1000);
  expect(events).toHaveLength(2);
});

test('maps memory at the end of a rehearsal, not by a timer that wakes an idle process', () => {
  const { one, sent } = rehearsal();
  const map = vi.spyOn(one.pages, 'map').mockImplementation(() => {});
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate'] });
  one.again();
  one.takeFrom(batch(sent[0] as Buffer));
  expect(map).not.toHaveBeenCalled(); // the events of the rehearsal come first
  vi.advanceTimersByTime(0);
  expect(map).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1000);
  expect(map).toHaveBeenCalledTimes(1);
});

test('prepares once, without an event', () => {
  const read = vi.fn(() => ({}) as SystemState);
  const { one, events } = rehearsal(true, undefined, read);
  one.prepare();
  const reads = read.mock.calls.length;
  expect(reads).toBeGreaterThan(1);
  one.prepare();
  expect(read).toHaveBeenCalledTimes(reads);
  expect(events).toEqual([]);
});

test('rehearses once a minute, and no more after close()', () => {
  vi.useFakeTimers();
  const { one, events } = rehearsal(false);
  one.begin();
  expect(events).toEqual([]); // what has opened the tracer can subscribe first, and tell that it traces
  vi.advanceTimersByTime(0);
  expect(events).toHaveLength(2);
  vi.advanceTimersByTime(180_000);
  expect(events).toHaveLength(8);
  one.close();
  vi.advanceTimersByTime(180_000);
  one.again();
  expect(events).toHaveLength(8);
});
