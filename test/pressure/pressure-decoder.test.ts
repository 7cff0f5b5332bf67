import { expect, test } from 'vitest';
import {
  PressureCountdownRecord,
  PressureGroupRecord,
  PressureLevelRecord,
  PressureStallRecord,
  RecordHeader,
  RecordKind,
  StallCause,
  StalledTask,
} from '../../src/bpf/wire/layout.ts';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import { CgroupPathCache } from '../../src/linux/cgroup-path-cache.ts';
import type { PressureCountdown } from '../../src/model/pressure.ts';
import { PressureDecoder, type PressureEvent } from '../../src/pressure/pressure-decoder.ts';
import { batchOf } from '../bpf/wire/records.ts';
import { schemaErrors } from '../schema.ts';

const SHOP = 30n;
const OTHER = 40n;

function record(kind: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt16LE(kind, RecordHeader.offset.kind);
  bytes.writeUInt16LE(size, RecordHeader.offset.size);
  bytes.writeBigUInt64LE(5_000_000_000n, RecordHeader.offset.ktime_ns);
  return bytes;
}

function writeTask(bytes: Buffer, at: number, cgroupId: bigint): void {
  bytes.writeUInt32LE(71, at + StalledTask.offset.tid);
  bytes.writeUInt32LE(70, at + StalledTask.offset.pid);
  bytes.writeBigUInt64LE(cgroupId, at + StalledTask.offset.cgroup_id);
  bytes.write('web\n', at + StalledTask.offset.comm);
}

function group(id: bigint, parent: bigint, name: string): Buffer {
  const o = PressureGroupRecord.offset;
  const bytes = record(RecordKind.RECORD_PRESSURE_GROUP, PressureGroupRecord.size);
  bytes.writeBigUInt64LE(id, o.id);
  bytes.writeBigUInt64LE(parent, o.parent_id);
  bytes.writeUInt16LE(name.length, o.name_length);
  bytes.write(name, o.name);
  return bytes;
}

function stall(cgroupId: bigint, ns: bigint, finished: boolean): Buffer {
  const o = PressureStallRecord.offset;
  const bytes = record(RecordKind.RECORD_PRESSURE_STALL, PressureStallRecord.size);
  writeTask(bytes, o.task, cgroupId);
  bytes.writeBigUInt64LE(4_000_000_000n, o.begin_ktime_ns);
  bytes.writeBigUInt64LE(ns, o.stall_ns);
  bytes[o.cause] = StallCause.CAUSE_SWAP_IN;
  bytes[o.finished] = finished ? 1 : 0;
  bytes.writeInt32LE(-1, o.stack_id);
  return bytes;
}

function countdown(limitId: bigint, rounds: number, unsent: number): Buffer {
  const o = PressureCountdownRecord.offset;
  const bytes = record(RecordKind.RECORD_PRESSURE_COUNTDOWN, PressureCountdownRecord.size);
  writeTask(bytes, o.task, SHOP);
  bytes.writeBigUInt64LE(limitId, o.limit_id);
  bytes.writeUInt32LE(rounds, o.fruitless_rounds);
  bytes.writeUInt32LE(unsent, o.unsent);
  return bytes;
}

function level(cgroupId: bigint, now: number, before: number): Buffer {
  const o = PressureLevelRecord.offset;
  const bytes = record(RecordKind.RECORD_PRESSURE_LEVEL, PressureLevelRecord.size);
  bytes.writeBigUInt64LE(cgroupId, o.cgroup_id);
  bytes.writeBigUInt64LE(1_000n, o.episode_ktime_ns);
  bytes.writeBigUInt64LE(2_500_000_000n, o.duration_ns);
  bytes[o.level] = now;
  bytes[o.previous] = before;
  bytes[o.peak_level] = 3;
  bytes[o.window] = 1;
  for (const [i, share] of [250_000, 410_000].entries()) bytes.writeUInt32LE(share, o.shares + i * 8);
  bytes.writeUInt32LE(700_000, o.peak);
  bytes.writeBigUInt64LE(12n, o.stalls);
  return bytes;
}

function decode(...records: Buffer[]): PressureEvent[] {
  const events: PressureEvent[] = [];
  const decoder = new PressureDecoder({
    envelopes: new EnvelopeFactory(),
    paths: new CgroupPathCache({ mount: null }),
    windowsMs: [100, 1000],
    full: false,
    stack: () => null,
    wants: (path) => path === '/shop',
    emit: (event) => events.push(event),
  });
  const names = [group(SHOP, 0n, 'shop'), group(OTHER, 0n, 'other')];
  expect(decoder.decode(batchOf(...names, ...records))).toBe(0);
  for (const event of events) expect(schemaErrors(event)).toEqual([]);
  return events;
}

test('reports a stall while it lasts and when it ends, with its cause and a printable name', () => {
  const events = decode(stall(SHOP, 0n, false), stall(SHOP, 12_000_000n, false), stall(SHOP, 20_000_000n, true));
  const why = 'memory that it needs is read back from swap.';
  expect(events.map(({ message }) => message)).toEqual([
    `web\\x0a (pid 70) waits for memory: ${why}`,
    `web\\x0a (pid 70) has been waiting for memory for 12 ms: ${why}`,
    `web\\x0a (pid 70) waited 20 ms for memory: ${why}`,
  ]);
  expect(events[2]).toMatchObject({
    type: 'pressure.stall',
    task: { pid: 70, tid: 71, comm: 'web\n', cgroup: '/shop', cgroup_id: String(SHOP) },
    ...{ cause: 'swap_in', stall_ns: 20_000_000, finished: true, begin_mono_ns: '4000000000', stack: null },
  });
});

test('reports levels of the system and of wanted cgroups, with the severity of the level', () => {
  const events = decode(level(SHOP, 2, 1), level(OTHER, 3, 0), level(0n, 3, 2), level(SHOP, 0, 2));
  expect(events.map(({ severity, message }) => [severity, message])).toEqual([
    [
      'warning',
      'Memory pressure in cgroup /shop is medium (was low): some task was stalled for 41 % of the last 1.0 s.',
    ],
    [
      'critical',
      'Memory pressure on the system is critical (was medium): some task was stalled for 41 % of the last 1.0 s.',
    ],
    [
      'info',
      'Memory pressure in cgroup /shop ended after 2.5 s. At its peak it was critical, with 70 % of the time stalled.',
    ],
  ]);
  expect(events[0]).toMatchObject({
    subject: { scope: 'cgroup', path: '/shop', id: String(SHOP) },
    episode: `${SHOP}-1000`,
    windows: [
      { window_seconds: 0.1, some: 0.25, full: null },
      { window_seconds: 1, some: 0.41, full: null },
    ],
    ...{ decided_by_seconds: 1, duration_ns: 2_500_000_000, stalls: 12 },
  });
});

test('counts the countdowns that the BPF program did not send, also after its counter was reset', () => {
  const events = decode(
    countdown(SHOP, 4, 2),
    countdown(SHOP, 9, 7),
    countdown(OTHER, 4, 0),
    countdown(SHOP, 5, 1),
  ) as PressureCountdown[];
  expect(events.map(({ repeated }) => repeated)).toEqual([2, 5, 0, 1]);
  expect(events.map(({ message }) => message).slice(1, 3)).toEqual([
    'Reclaim for cgroup /shop has freed nothing 9 times in a row (and as often or less often in 5 more attempts); after 16 times the kernel calls its OOM killer.',
    'Reclaim for cgroup /other has freed nothing 4 times in a row; after 16 times the kernel calls its OOM killer.',
  ]);
});

test('drops stalls in cgroups that the user does not want', () => {
  expect(decode(stall(OTHER, 1n, true))).toEqual([]);
});
