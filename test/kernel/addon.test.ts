import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { Counters } from '../../src/bpf/wire/layout.ts';
import type { RingStats } from '../../src/native/addon.ts';
import { startChild } from './children/child.ts';
import { bpfUnavailable } from './unavailable.ts';

const run = (name: string, flags?: string[]) => startChild('reader', [name], flags).ended;

describe.skipIf(bpfUnavailable())('the ring reader', () => {
  test('delivers every record with two time stamps, and can be closed twice', async () => {
    const { code, said, stderr } = await run('counts');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const [counted, stats, closed] = said as [Record<string, number>, Record<string, number>, object];
    expect(counted).toMatchObject({
      records: 512,
      late: false,
      counters: [512, ...Array(Counters.size / 8 - 1).fill(0)],
    });
    // The check is rough: it would find a wrong time zone (hours) or a wrong clock (decades).
    expect(Math.abs(counted.wallClockMs ?? Infinity)).toBeLessThan(60_000);
    expect(stats.batches).toBeGreaterThan(0);
    expect(closed).toMatchObject({ afterClose: [], threads: 0 });
  });

  test('turns an error thrown by the callback into an uncaught exception, not an abort', async () => {
    const { code, signal, stderr } = await run('throws');
    expect(stderr).toContain('thrown in onBatch');
    expect({ code, signal }).toEqual({ code: 1, signal: null });
  });

  test('goes on reading when the process handles uncaught exceptions', async () => {
    expect(await run('throwsAndCarriesOn')).toMatchObject({ code: 0, said: [{ records: 2048, caught: true }] });
  });

  test('ends without a crash when the callback calls process.exit()', async () => {
    expect(await run('exits')).toMatchObject({ code: 5, signal: null, stderr: '' });
  });

  test('gives the CPU back in a storm of records, and takes its priority again afterwards', async () => {
    const { code, said } = await run('storm');
    const [storm, after] = said as [RingStats, RingStats];
    expect(code).toBe(0);
    if (after.realtimePollers === 0) return; // this machine permits no real-time priority
    expect(storm.timesLowered).toBeGreaterThan(0);
    // One look at the clock comes after one batch of 128 KiB, so a period may have a little more than its 10 ms.
    expect(storm.longestNs).toBeLessThan(20e6);
    expect(after.realtimePollers).toBe(2);
  });

  test('gives the CPU back while JavaScript at real-time priority handles records slowly', async () => {
    const { said } = await run('slowHandler');
    const [{ refused, ...seen }] = said as [{ refused: number }];
    if (refused !== 0) return; // this machine permits no real-time priority
    expect(seen).toEqual({ seen: [2, 2], lowered: 0, left: 0 });
  });

  test('gives the CPU back while JavaScript at real-time priority works without an end', async () => {
    const { said } = await run('spins');
    const [{ refused, ...seen }] = said as [{ refused: number }];
    if (refused !== 0) return; // this machine permits no real-time priority
    expect(seen).toEqual({ little: 2, much: 0, used: true, again: 2 });
  });

  test('is garbage-collected when it is closed', async () => {
    expect(await run('collects', ['--expose-gc'])).toMatchObject({ code: 0, said: [{ left: 0, threads: 0 }] });
  });

  test('is not garbage-collected while it is open, even without a reference', async () => {
    expect(await run('staysUncollected', ['--expose-gc'])).toMatchObject({ code: 0, said: [{ records: 512 }] });
  });

  test('refuses bad arguments, and leaves no descriptor and no thread behind', async () => {
    const { code, said, stderr } = await run('refuses', ['--expose-gc']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const unmapped = expect.stringMatching(/^Error: RingReader: the ring buffer cannot be mapped: (Bad|Invalid)/);
    expect(said).toEqual([
      {
        messages: {
          nothing: 'TypeError: RingReader: options: expected an object, got undefined.',
          noCallback: 'TypeError: RingReader: onBatch: expected a function, got undefined.',
          badCallback: 'TypeError: RingReader: onBatch: expected a function, got 5.',
          noMap: unmapped,
          closedMap: unmapped,
          notAMap: unmapped,
          notARing: unmapped,
          called: expect.stringContaining('TypeError'),
        },
        leaked: 0,
        threads: 0,
      },
    ]);
  });

  test('the JavaScript thread may use all its CPUs, but not that of an urgent record which waits', async () => {
    const { code, said } = await run('affinity');
    expect(code).toBe(0);
    const [{ before, free, narrowed, after }] = said as [
      { before: string; free: string[]; narrowed: number; after: string },
    ];
    expect(free).toEqual([before]);
    expect(narrowed).toBe(availableParallelism() > 1 ? 1 : 0);
    expect(after).toBe(before);
  });
});
