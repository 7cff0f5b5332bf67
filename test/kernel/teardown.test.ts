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
  test('ends without a crash on process.exit() while the tracer is open', async () => {
    const { child, opened } = await trace('exit');
    expect(await child.ended).toMatchObject({ code: 5, signal: null, stderr: '' });
    await gone(opened.held);
  });

  test('ends without a crash on process.exit() in a handler of batches', async () => {
    const { child, opened } = await trace('exitInHandler');
    const flood = await floodOf(opened);
    await burst(flood, 50);
    expect(await child.ended).toMatchObject({ code: 5, signal: null, stderr: '' });
    await endFlood(flood);
    await gone(opened.held);
  });

  test.each(['throwInBatches', 'throwInLost'])(
    'ends like after any uncaught exception when a handler throws (%s)',
    async (name) => {
      const { child, opened } = await trace(name);
      const flood = await floodOf(opened);
      // Far more than the ring holds: records are lost, and lost$ emits.
      await burst(flood, 2000);
      const { code, signal, stderr } = await child.ended;
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(stderr).toContain('thrown by a subscriber');
      await endFlood(flood);
      await gone(opened.held);
    },
  );

  test('goes on delivering to other subscribers when one throws', async () => {
    const { child, opened } = await trace('throwAndCarryOn');
    const flood = await floodOf(opened);
    const produced = await burst(flood);
    child.process.stdin?.end();
    const { records } = await child.next<{ records: number }>();
    expect(records).toBe(produced);
    expect(await child.ended).toMatchObject({ code: 0, signal: null });
    await endFlood(flood);
  });

  test('can call close() in a handler', async () => {
    const { child, opened } = await trace('closeInHandler');
    const flood = await floodOf(opened);
    await burst(flood, 50);
    expect(await child.next()).toEqual({ batches: 1, completed: 1, held: nothing });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    await endFlood(flood);
    await gone(opened.held);
  });

  test('can call close() twice, and then ends by itself', async () => {
    const { child, opened } = await trace('close');
    expect(await child.next()).toEqual({ held: nothing });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    await gone(opened.held);
  });

  test('closes the tracer at the end of a `using` or `await using` block', async () => {
    const { code, said, stderr } = await startChild('trace', ['using']).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [first, afterFirst, second, afterSecond] = said as { held: BpfIds }[];
    expect([afterFirst?.held, afterSecond?.held]).toEqual([nothing, nothing]);
    await gone((first as Opened).held);
    await gone((second as Opened).held);
  });

  test('closes the tracer by an AbortSignal, and opens none if the signal was aborted before', async () => {
    const { child, opened } = await trace('abort');
    expect(await child.next()).toEqual({ completed: true, held: nothing });
    expect(await child.next()).toEqual({ refused: 'AbortError', held: nothing });
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    await gone(opened.held);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('stays alive until %s ends it', async (signal) => {
    const { child, opened } = await trace('stay');
    const flood = await floodOf(opened);
    await burst(flood);
    // The process answers, so it is alive. Only the tracer keeps its event loop running.
    expect((await child.next<{ records: number }>()).records).toBeGreaterThan(0);
    child.process.kill(signal);
    expect(await child.ended).toMatchObject({ code: null, signal, stderr: '' });
    await endFlood(flood);
    await gone(opened.held);
  });

  test('delivers every event to each of two tracers', async () => {
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

  test.each(['idle', 'between', 'busy'])('survives worker.terminate() while records arrive (%s)', async (state) => {
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
