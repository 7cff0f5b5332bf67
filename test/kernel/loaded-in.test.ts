/** The native parts in workers, in contexts of vm, and in several instances. Node crashed at the end of a worker. */
import { describe, expect, test } from 'vitest';
import { startChild } from './children/child.ts';
import { bpfUnavailable } from './unavailable.ts';

describe.skipIf(bpfUnavailable())('the native parts', () => {
  test.each([
    ['worker', 'workers that open and close a tracer one after another, and then by the main thread'],
    ['workers', 'three workers at a time, and by no other thread'],
    ['context', 'code of another context of vm'],
    ['again', 'several instances of the modules'],
  ])('can be used by: %s (%s)', async (mode) => {
    const { code, signal, stderr, said } = await startChild('loaded-in', [mode]).ended;
    expect({ code, signal, stderr, said }).toEqual({ code: 0, signal: null, stderr: '', said: ['done'] });
  });

  test('let the process exit while a worker reads a ring that fills', async () => {
    const { code, signal, stderr } = await startChild('loaded-in', ['busy-worker']).ended;
    expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
  });
});
