import { describe, expect, test } from 'vitest';
import type { BpfIds } from './bpf-ids.ts';
import { startChild } from './children/child.ts';
import { type LifecycleState, lifecycleFaults } from './lifecycle-state.ts';
import { bpfUnavailable } from './unavailable.ts';

// `npm run prove:lifecycle` opens and closes more tracers and readers.
const TRACERS = 200;
const READERS = 1000;

describe.skipIf(bpfUnavailable())('tracers and readers that are opened and closed many times', () => {
  test(`leave no resource behind after ${TRACERS} tracers and ${READERS} ring readers`, {
    timeout: 900_000,
  }, async () => {
    const args = [String(TRACERS), String(READERS)];
    const { code, said, stderr } = await startChild('lifecycle', args, ['--expose-gc']).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [tracers, firstAlive, readers] = said as [LifecycleState[], BpfIds[], LifecycleState[]];
    expect(lifecycleFaults(tracers, TRACERS)).toEqual([]);
    expect(lifecycleFaults(readers, READERS)).toEqual([]);
    expect(tracers[3]?.held).toEqual({ maps: [], programs: [] });
    for (const alive of firstAlive) expect(alive).toEqual({ maps: [], programs: [] });
  });
});
