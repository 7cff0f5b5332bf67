import { describe, expect, test } from 'vitest';
import type { BpfIds } from './bpf-ids.ts';
import { startChild } from './children/child.ts';
import { bpfUnavailable } from './unavailable.ts';

interface State {
  fds: number;
  threads: number;
  rssBytes: number;
  heapBytes: number;
  held: BpfIds;
}

const MIB = 2 ** 20;
/** A whole tracer takes about 0.1 s, most of it the verifier's. */
const TRACERS = 200;
const READERS = 1000;

describe.skipIf(bpfUnavailable())('opened and closed again and again', () => {
  test(`${TRACERS} tracers and ${READERS} ring readers leave nothing behind`, { timeout: 900_000 }, async () => {
    const args = [String(TRACERS), String(READERS)];
    const { code, said, stderr } = await startChild('lifecycle', args, ['--expose-gc']).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [tracers, firstAlive, readers] = said as [State[], BpfIds[], State[]];
    for (const states of [tracers, readers]) {
      const [start, , , end] = states as [State, State, State, State];
      expect(end.fds).toBe(start.fds);
      expect(end.threads).toBe(start.threads);
      expect(end.held).toEqual(start.held);
    }
    expect(tracers[3]?.held).toEqual({ maps: [], programs: [] });
    for (const alive of firstAlive) expect(alive).toEqual({ maps: [], programs: [] });
    const grown = (states: State[], what: 'rssBytes' | 'heapBytes') =>
      (states[3]?.[what] ?? 0) - (states[1]?.[what] ?? 0);
    // Between the half and the end. Not 0: every call through ffi-napi that has an argument leaves some 60 bytes behind, and
    // a tracer takes several hundred. A batch buffer (128 KiB) that stays would be seen in either.
    expect(grown(tracers, 'heapBytes')).toBeLessThan(2 * MIB);
    expect(grown(readers, 'heapBytes')).toBeLessThan(2 * MIB);
    expect(grown(tracers, 'rssBytes') / (TRACERS / 2)).toBeLessThan(0.1 * MIB);
    expect(grown(readers, 'rssBytes') / (READERS / 2)).toBeLessThan(0.02 * MIB);
  });
});
