import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Batch } from '../../src/bpf/wire/batch.ts';
import {
  KillFact,
  KillKind,
  OomCandidatesRecord,
  OomStep,
  RecordHeader,
  RecordKind,
} from '../../src/bpf/wire/layout.ts';
import type { ContainerResolver } from '../../src/containers/container-resolver.ts';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import { OrderedOutbox } from '../../src/events/ordered-outbox.ts';
import { noOwner } from '../../src/model/container.ts';
import type { Event, OomKill, SystemState } from '../../src/model/events.ts';
import { KillDecoder, type KillDecoderOptions } from '../../src/tracer/kill-decoder.ts';
import { batchOf, type KillNumbers, killRecord, stepRecord } from '../bpf/wire/records.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function decoder(options: Partial<KillDecoderOptions> = {}) {
  const events: Event[] = [];
  const errors: unknown[] = [];
  const outbox = new OrderedOutbox<Event>((event) => events.push(event));
  const kills = new KillDecoder({
    machine: { pageBytes: 4096, cpus: 1, gfp: {} },
    system: { read: () => ({}) as SystemState, composition: () => undefined },
    envelopes: new EnvelopeFactory(),
    readProc: false,
    outbox,
    onError: (error) => errors.push(error),
    ...options,
  });
  const take = (batch: Batch) => batch.walk((kind, at) => kills.take(kind, at, batch));
  return { events, errors, outbox, kills, take };
}

const kill = (pid: number, numbers: KillNumbers = {}) =>
  killRecord({
    victimComm: 'hog',
    numbers: { facts: KillFact.FACT_TASK, victim_pid: pid, victim_tid: pid, ...numbers },
  });

const withCandidates = { facts: KillFact.FACT_TASK | KillFact.FACT_CANDIDATES };

function candidates(tid: number): Buffer {
  const bytes = Buffer.alloc(OomCandidatesRecord.size);
  bytes.writeUInt16LE(RecordKind.RECORD_OOM_CANDIDATES, RecordHeader.offset.kind);
  bytes.writeUInt16LE(bytes.length, RecordHeader.offset.size);
  bytes.writeUInt32LE(tid, OomCandidatesRecord.offset.victim_tid);
  bytes.writeUInt32LE(7, OomCandidatesRecord.offset.considered);
  return bytes;
}

const pids = (events: Event[]) => events.map((event) => ('victim' in event ? event.victim?.pid : undefined));

test('emits a complete kill at once, followed by its oom.reaped event', () => {
  const { events, kills, take } = decoder();
  take(
    batchOf(
      kill(5, { facts: KillFact.FACT_TASK | KillFact.FACT_MM }),
      stepRecord({ pid: 5, step: OomStep.STEP_EXIT, ktimeNs: 3_000_000n }),
      stepRecord({ pid: 5, step: OomStep.STEP_MM_GONE, ktimeNs: 4_000_000n }),
    ),
  );
  expect(events.map(({ type, message }) => [type, message])).toEqual([
    ['oom.kill', expect.stringMatching(/^hog \(pid 5\) was killed/)],
    ['oom.reaped', 'hog (pid 5) is gone; its memory was freed 4.0 ms after the kernel marked it.'],
  ]);
  expect(kills.counts).toEqual({ killed: 1, already_dying: 0, group_member: 0, shared_memory: 0 });
  expect((events[1] as { kill_id?: string }).kill_id).toBe(events[0]?.id);
});

test('emits no second kill when a followed victim is marked again, but emits one for a process that shares its memory', () => {
  const { events, kills, take } = decoder();
  take(batchOf(kill(5), kill(5), kill(6, { kill_kind: KillKind.KILL_SHARED_MEMORY })));
  expect(pids(events)).toEqual([5, 6]);
  expect(kills.counts).toMatchObject({ killed: 1, shared_memory: 1 });
});

test('holds back a kill until its candidates arrive, and the kills after it, too', async () => {
  const { events, errors, take } = decoder();
  take(batchOf(kill(5, withCandidates), kill(6)));
  expect(events).toEqual([]);
  take(batchOf(candidates(5)));
  await vi.advanceTimersByTimeAsync(0);
  expect(pids(events)).toEqual([5, 6]);
  expect(events[0]).toMatchObject({ candidates: [], candidates_considered: 7 });
  expect(vi.getTimerCount()).toBe(2); // the timers of the two followed victims
  expect(errors).toEqual([]);
});

test('emits a kill without candidates after 50 ms, and ignores candidates that arrive later', async () => {
  const { events, take } = decoder();
  take(batchOf(kill(5, withCandidates)));
  await vi.advanceTimersByTimeAsync(49);
  expect(events).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(events).toMatchObject([{ candidates: null }]);
  take(batchOf(candidates(5)));
  await vi.advanceTimersByTimeAsync(100);
  expect(events).toMatchObject([{ candidates: null }]);
});

test('emits a kill with the facts known so far when the outbox is flushed', () => {
  const { events, outbox, kills, take } = decoder();
  take(batchOf(kill(5, withCandidates)));
  outbox.flush();
  kills.close();
  expect(events.map(({ type }) => type)).toEqual(['oom.kill', 'oom.reaped']);
  expect(events[1]).toMatchObject({
    outcome: 'unfinished',
    cut_short: true,
    message: 'hog (pid 5) had not freed its memory yet when oomscope stopped.',
  });
  take(batchOf(kill(6)));
  expect(events).toHaveLength(2);
});

test('reports an error that occurs while a kill is completed, and emits the kill anyway', async () => {
  const failure = new Error('no names');
  const containers = {
    ownerOf: () => noOwner,
    unnamed: () => ['id'],
    learn: () => Promise.reject(failure),
  } as unknown as ContainerResolver;
  const { events, errors, take } = decoder({ containers });
  const limited = killRecord({
    numbers: { facts: KillFact.FACT_TASK | KillFact.FACT_LIMIT, victim_pid: 5, victim_tid: 5 },
    limit: { id: 7n, name: 'pod' },
  });
  take(batchOf(limited));
  await vi.advanceTimersByTimeAsync(0);
  expect(errors).toEqual([failure]);
  expect((events[0] as OomKill).victim.pid).toBe(5);
});
