import { describe, expect, test } from 'vitest';
import { type BpfIds, gone } from './bpf-ids.ts';
import { type Child, startChild } from './children/child.ts';
import { bpfUnavailable } from './unavailable.ts';

interface Opened {
  mapIds: { ring: number; counters: number };
  held: BpfIds;
}

const nothing: BpfIds = { maps: [], programs: [] };

/** Starts children/trace.ts; resolves when its tracer is open. */
async function trace(name: string): Promise<{ child: Child; opened: Opened }> {
  const child = startChild('trace', [name]);
  const opened = await child.next<Opened>();
  expect(opened.held.maps).toContain(opened.mapIds.ring);
  expect(opened.held.programs.length).toBeGreaterThan(3);
  return { child, opened };
}

async function floodOf({ mapIds }: Opened): Promise<Child> {
  const flood = startChild('flood', [String(mapIds.ring), String(mapIds.counters)]);
  await flood.next();
  return flood;
}

async function endFlood(flood: Child): Promise<void> {
  flood.process.stdin?.end();
  expect(await flood.ended).toMatchObject({ code: 0, stderr: '' });
}

async function burst(flood: Child, runs = 1): Promise<number> {
  flood.process.stdin?.write(`${runs}\n`);
  return (await flood.next<{ records: number }>()).records;
}

describe.skipIf(bpfUnavailable())('a process with a tracer', () => {
  test('process.exit() with the tracer open', async () => {
    const { child, opened } = await trace('exit');
    expect(await child.ended).toMatchObject({ code: 5, signal: null, stderr: '' });
    await gone(opened.held);
  });

  test('process.exit() in a handler of batches', async () => {
    const { child, opened } = await trace('exitInHandler');
    const flood = await floodOf(opened);
    await burst(flood, 50);
    expect(await child.ended).toMatchObject({ code: 5, signal: null, stderr: '' });
    await endFlood(flood);
    await gone(opened.held);
  });

  test.each(['throwInBatches', 'throwInLost'])('%s: ends the process like any uncaught exception', async (name) => {
    const { child, opened } = await trace(name);
    const flood = await floodOf(opened);
    // Far more than the ring holds: records are lost, and lost$ emits.
    await burst(flood, 2000);
    const { code, signal, stderr } = await child.ended;
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('thrown by a subscriber');
    await endFlood(flood);
    await gone(opened.held);
  });

  test('a subscriber that throws does not affect the others', async () => {
    const { child, opened } = await trace('throwAndCarryOn');
    const flood = await floodOf(opened);
    const produced = await burst(flood);
    child.process.stdin?.end();
    const { records } = await child.next<{ records: number }>();
    expect(records).toBe(produced);
    expect(await child.ended).toMatchObject({ code: 0, signal: null });
    await endFlood(flood);
  });

  test('close() in a handler', async () => {
    const { child, opened } = await trace('closeInHandler');
    const flood = await floodOf(opened);
    await burst(flood, 50);
    expect(await child.next()).toEqual({ batches: 1, completed: 1, held: nothing });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    await endFlood(flood);
    await gone(opened.held);
  });

  test('close() twice, and the process ends by itself', async () => {
    const { child, opened } = await trace('close');
    expect(await child.next()).toEqual({ held: nothing });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    await gone(opened.held);
  });

  test('using and await using close it', async () => {
    const { code, said, stderr } = await startChild('trace', ['using']).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [first, afterFirst, second, afterSecond] = said as { held: BpfIds }[];
    expect([afterFirst?.held, afterSecond?.held]).toEqual([nothing, nothing]);
    await gone((first as Opened).held);
    await gone((second as Opened).held);
  });

  test('an AbortSignal closes it, and one that has fired opens none', async () => {
    const { child, opened } = await trace('abort');
    expect(await child.next()).toEqual({ completed: true, held: nothing });
    expect(await child.next()).toEqual({ refused: 'AbortError', held: nothing });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    await gone(opened.held);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('it stays until %s, which ends it', async (signal) => {
    const { child, opened } = await trace('stay');
    const flood = await floodOf(opened);
    await burst(flood);
    // It answers: only the tracer keeps the event loop running.
    expect((await child.next<{ records: number }>()).records).toBeGreaterThan(0);
    child.process.kill(signal);
    expect(await child.ended).toMatchObject({ code: null, signal, stderr: '' });
    await endFlood(flood);
    await gone(opened.held);
  });

  test('two tracers in one process each get every event', async () => {
    const { child, opened } = await trace('two');
    const second = await child.next<Opened>();
    const floods = [await floodOf(opened), await floodOf(second)];
    const produced = await Promise.all(floods.map((flood) => burst(flood)));
    const records = [0, 0];
    while (records[0] !== produced[0] || records[1] !== produced[1]) {
      const said = await child.next<{ tracer: 0 | 1; records: number }>();
      records[said.tracer] = said.records;
    }
    child.process.stdin?.end();
    expect(await child.next()).toEqual({ held: nothing });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    await Promise.all(floods.map(endFlood));
    await gone(second.held);
  });

  test.each(['idle', 'between', 'busy'])('worker.terminate() while records flow: %s in the handler', async (state) => {
    const child = startChild('worker', [state]);
    const opened = await child.next<Opened>();
    const flood = await floodOf(opened);
    flood.process.stdin?.write('100000\n');
    expect(await child.next()).toBe('flowing');
    child.process.stdin?.end();
    expect(await child.next()).toEqual({ heldAfter: { maps: [], programs: [] } });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    flood.process.kill('SIGKILL');
    await flood.ended;
    await gone(opened.held);
  });
});
