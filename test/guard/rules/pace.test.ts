/** For how long looks can take the place of samples. */
import { expect, test } from 'vitest';
import { rankAfterMs } from '../../../src/guard/arming/standing-ranking.ts';
import { longestMs } from '../../../src/guard/rules/pace.ts';
import type { Rule } from '../../../src/guard/rules/rule.ts';
import { cgroup, detector, GIB, MIB, rule, sample, system } from './world.ts';

const calm = { armed: false, calm: true };
const inWork: Partial<Rule> = {
  on: [{ kind: 'cgroup', glob: '/work' }],
  when: [detector({ name: 'available' }, '<', 5)],
};
const longest = (given: Partial<Rule>, usage = 10 * MIB, now = calm) => {
  const policy = { rules: [rule(given)], killsPerMinute: 10, protect: [] };
  return longestMs(policy, sample(0, { cgroups: [cgroup('/work', { usage_bytes: usage })], system: plenty }), now);
};
const plenty = system({ available_bytes: GIB / 2 });

test('samples every four seconds while looks show all that the rules read', () => {
  expect(longest(inWork)).toBe(4000);
  expect(longest({ ...inWork, on: [{ kind: 'system' }] })).toBe(4000);
});

test('samples every second where looks do not show all', () => {
  expect(longest({ ...inWork, on: [{ kind: 'limited' }] }), 'a new cgroup').toBe(1000);
  expect(longest({ ...inWork, on: [{ kind: 'cgroup', glob: '/*' }] }), 'a new cgroup').toBe(1000);
  expect(longest({ ...inWork, on: [{ kind: 'cgroup', glob: '/later' }] }), 'a missing cgroup').toBe(1000);
  const growth = detector({ name: 'growth' }, '>', 1e6, 'bytes');
  expect(longest({ ...inWork, when: [...(inWork.when ?? []), growth] }), 'growth').toBe(1000);
  const sustained = (inWork.when ?? []).map((each) => ({ ...each, forMs: 1000 }));
  expect(longest({ ...inWork, when: sustained }), 'a detector that must hold for a time').toBe(1000);
  expect(longest(inWork, 10 * MIB, { armed: false, calm: false }), 'a running response').toBe(1000);
});

test('samples every second near a rule, armed or not', () => {
  expect(longest(inWork, 91 * MIB)).toBe(1000);
  expect(longest(inWork, 91 * MIB, { armed: true, calm: true })).toBe(1000);
});

test('reads all processes more rarely where that takes long', () => {
  expect(rankAfterMs(false, 1)).toBe(2000);
  expect(rankAfterMs(false, 10)).toBe(4000);
  expect(rankAfterMs(false, 100)).toBe(10_000);
  expect(rankAfterMs(true, 100)).toBe(200);
});
