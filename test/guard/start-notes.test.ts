import { expect, test } from 'vitest';
import { startNotes, watchNotes } from '../../src/guard/start-notes.ts';
import { averagesOf, cgroup, detector, rule, sample, system } from './rules/world.ts';

const pressure = { some: averagesOf(0), full: averagesOf(0) };
const now = sample(0, {
  system: system({ pressure }),
  cgroups: [cgroup('/app', { limit_bytes: null }), cgroup('/small')],
});
const notes = (given: Parameters<typeof rule>[0], at = now) => startNotes([rule({ name: 'x', ...given })], at);
const on = (glob: string) => [{ kind: 'cgroup' as const, glob }];
const low = detector({ name: 'available' }, '<', 5);

test('says that a cgroup does not exist, or that no cgroup matches', () => {
  expect(notes({ on: on('/nowhere'), when: [low] })).toEqual([
    'rule "x": there is no cgroup /nowhere; the rule acts when one is created',
  ]);
  expect(notes({ on: on('/web-*'), when: [low] })).toEqual([
    'rule "x": no cgroup matches /web-*; the rule acts when one is created',
  ]);
  expect(notes({ on: on('/small'), when: [low] })).toEqual([]);
});

test('says which detectors cannot hold, and why', () => {
  expect(notes({ on: on('/app'), when: [low] })).toEqual([
    'rule "x": "available < 5" never holds for /app, because the cgroup has no memory limit',
  ]);
  const stalled = detector({ name: 'pressure', share: 'full', over: 'avg10' }, '>', 60);
  expect(notes({ when: [stalled] })).toEqual([]);
  expect(notes({ when: [stalled] }, sample(0))).toEqual([
    'rule "x": "pressure > 60" never holds for the system, because the kernel has no PSI, or PSI is switched off (boot with psi=1)',
  ]);
  expect(notes({ on: on('/small'), when: [stalled] })[0]).toContain('only cgroup v2 has');
  const window = detector({ name: 'pressure', share: 'some', over: 100 }, '>', 60);
  expect(notes({ when: [window] })[0]).toContain('only `oomscope run` with this window in [pressure] measures it');
  expect(notes({ when: [detector({ name: 'rounds_left' }, '<', 4, 'rounds')] })[0]).toContain('counts reclaims');
});

test('says that a rule about free swap alone never fires where there is no swap', () => {
  const swap = detector({ name: 'swap_free' }, '<', 10);
  expect(notes({ when: [swap] })).toEqual([
    'rule "x": it never fires for the system, because there is no swap, and all of its detectors are about free swap',
  ]);
  expect(notes({ when: [swap, low] })).toEqual([]);
});

test('says that /proc hides processes', () => {
  expect(startNotes([], now, '/nonexistent')[0]).toContain('/nonexistent hides the processes of other users (hidepid)');
  expect(startNotes([], now)).toEqual([]);
});

test('says what rules watch', () => {
  const watches = rule({ name: 'x', on: [{ kind: 'system' }, { kind: 'limited' }], when: [low, low] });
  expect(watchNotes([watches])).toEqual([
    'rule "x" watches the system and every cgroup with a memory limit: available < 5 and available < 5',
  ]);
});
