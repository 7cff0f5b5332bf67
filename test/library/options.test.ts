import { expect, test } from 'vitest';
import * as oomscope from '../../src/index.ts';

/** Calls with one misspelled option each. A function must refuse it before it opens any resource. */
const misspelled: [name: string, call: () => unknown, meant: string][] = [
  ['openTracer()', () => oomscope.openTracer({ ringByte: 65_536 } as object), 'ringBytes'],
  ['openPressure()', () => oomscope.openPressure({ window: [] } as object), 'windows'],
  ['watchUsage()', () => oomscope.watchUsage({ interval_ms: 5 } as object), 'intervalMs'],
  ['watchScores()', () => oomscope.watchScores({ topp: 3 } as object), 'top'],
  ['openContainerWatch()', () => oomscope.openContainerWatch({ socket: ['/x'] } as object), 'sockets'],
  ['openPsiTrigger()', () => oomscope.openPsiTrigger({ kind: 'some', stallMs: 1, windowsMs: 2 } as never), 'windowMs'],
  ['ContainerResolver', () => new oomscope.ContainerResolver({ socket: [] } as object), 'sockets'],
  ['alertTo()', () => oomscope.alertTo(undefined as never, [], { onReports: () => {} } as object), 'onReport'],
  ['openSink()', () => oomscope.openSink({ sink: 'desktop', minimun: 'info' } as never), 'minimum'],
  ['perCgroup()', () => oomscope.perCgroup((events$) => events$, { idleMS: 1 } as object), 'idleMs'],
  ['sustained()', () => oomscope.sustained(1, { hold: () => true } as object), 'holds'],
  ['rateLimited()', () => oomscope.rateLimited({ count: 1, perMs: 1, allways: () => true } as never), 'always'],
];

test.each(misspelled)('%s refuses a misspelled option, and suggests the right name', async (_, call, meant) => {
  const error = await (async () => call())().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(oomscope.OomscopeError);
  expect(error).toMatchObject({ code: 'USAGE', message: expect.stringContaining(`Did you mean "${meant}"?`) });
});
