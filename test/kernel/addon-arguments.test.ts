/** Every function of the addon checks each argument: a wrong one throws an error, and never ends the process. */
import { describe, expect, test } from 'vitest';
import { loadNative } from '../../src/native/addon.ts';
import { parameters } from './addon-parameters.ts';
import { startChild } from './children/child.ts';
import { bpfUnavailable } from './unavailable.ts';

interface Said {
  name: string;
  calls: number;
  faults: string[];
}

/** One process for each group, so that the end of a process tells which function ended it. */
const groups = {
  'system calls': Object.keys(parameters).filter((name) => /^[a-z]/.test(name)),
  'watchers and probes': Object.keys(parameters).filter((name) => /^(ExitWatcher|PsiWatcher|SystemProbe)/.test(name)),
  'the ring reader': Object.keys(parameters).filter((name) => name.startsWith('RingReader')),
};
const CLASSES = ['RingReader', 'ExitWatcher', 'LevelWatcher', 'PsiWatcher', 'SystemProbe'] as const;

test('the table of parameters has every function of the addon', () => {
  const native = loadNative();
  const methods = CLASSES.flatMap((name) =>
    Object.getOwnPropertyNames(native[name].prototype)
      .filter((method) => method !== 'constructor')
      .map((method) => `${name}.${method}`),
  );
  expect(Object.keys(parameters).toSorted()).toEqual([...Object.keys(native), ...methods].toSorted());
});

describe.skipIf(bpfUnavailable())('wrong arguments', () => {
  test.each(Object.entries(groups))('of %s throw errors that name them, and end no process', async (_, names) => {
    const { code, signal, stderr, said } = await startChild('wrong-arguments', names).ended;
    const last = (said as Said[]).at(-1)?.name;
    expect({ code, signal, stderr, last }).toEqual({ code: 0, signal: null, stderr: '', last: names.at(-1) });
    expect((said as Said[]).flatMap(({ faults }) => faults)).toEqual([]);
    expect((said as Said[]).reduce((sum, { calls }) => sum + calls, 0)).toBeGreaterThan(1000);
  });
});
