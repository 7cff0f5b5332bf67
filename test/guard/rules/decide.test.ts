import { expect, test } from 'vitest';
import { Policy } from '../../../src/guard/rules/decide.ts';
import { cgroup, comm, MIB, process_, rule, sample, self, system } from './world.ts';

const policyOf = (given: Parameters<typeof rule>[0] = {}, killsPerMinute = 3) =>
  new Policy({ rules: [rule(given)], killsPerMinute, protect: [comm('^init$')] }, self, Number.POSITIVE_INFINITY);

function decide(policy: Policy, at: ReturnType<typeof sample>) {
  const [fired] = policy.update(at);
  return fired && policy.decide(fired, at);
}

test('chooses the candidate with the highest score', () => {
  const processes = [process_(1001), process_(1002, { rss_bytes: 500 * MIB })];
  const decision = decide(policyOf(), sample(0, { processes }));
  expect(decision).toMatchObject({ kind: 'kill', victim: { target: { pid: 1002 } } });
});

test('skips when no process may be killed', () => {
  expect(decide(policyOf(), sample(0, { processes: [process_(1)] }))).toMatchObject({
    kind: 'skip',
    reason: 'no_candidate',
    ranking: { rejected: [{ pid: 1, reason: 'init' }] },
  });
});

test('waits for a dying process before it kills another one, but not for ever', () => {
  const policy = policyOf();
  const processes = [process_(1001, { dying: true }), process_(1002)];
  expect(decide(policy, sample(0, { processes }))).toMatchObject({ kind: 'skip', reason: 'being_freed' });
  expect(decide(policy, sample(9_999, { processes }))).toMatchObject({ kind: 'skip', reason: 'being_freed' });
  expect(decide(policy, sample(10_000, { processes }))).toMatchObject({
    kind: 'kill',
    victim: { target: { pid: 1002 } },
  });
});

test('does not wait for a dying process that is in another cgroup or holds almost no memory', () => {
  const rules = { on: [{ kind: 'cgroup' as const, glob: '/a' }] };
  const cgroups = [cgroup('/a', { usage_bytes: 95 * MIB })];
  const elsewhere = [process_(1001, { dying: true, cgroup: '/b' }), process_(1002, { cgroup: '/a' })];
  expect(decide(policyOf(rules), sample(0, { cgroups, processes: elsewhere }))).toMatchObject({ kind: 'kill' });
  const tiny = [process_(1001, { dying: true, rss_bytes: MIB }), process_(1002)];
  expect(decide(policyOf(), sample(0, { processes: tiny }))).toMatchObject({ kind: 'kill' });
});

test('respects the limit of kills per minute', () => {
  const policy = policyOf({}, 2);
  const at = (ms: number) => decide(policy, sample(ms, { processes: [process_(1001)] }));
  policy.killed(0);
  policy.killed(30_000);
  expect(at(59_999)).toMatchObject({ kind: 'skip', reason: 'budget' });
  expect(at(60_000)).toMatchObject({ kind: 'kill' });
});

test('lets a rule cool down after its ladder has ended, only at that place', () => {
  const policy = policyOf({ on: [{ kind: 'cgroup', glob: '/*' }], coolDownMs: 1000 });
  const cgroups = ['/a', '/b'].map((path) => cgroup(path, { usage_bytes: 99 * MIB }));
  const processes = [process_(1001, { cgroup: '/a' }), process_(1002, { cgroup: '/b' })];
  const [first] = policy.options.rules;
  if (first) policy.rest(first, '/a', 0);
  const at = (ms: number) => {
    const now = sample(ms, { cgroups, processes });
    return policy.update(now).map((fired) => policy.decide(fired, now));
  };
  expect(at(999)).toMatchObject([{ kind: 'skip', reason: 'cool_down' }, { kind: 'kill' }]);
  expect(at(1000)).toMatchObject([{ kind: 'kill' }, { kind: 'kill' }]);
});

test('does not choose a process that did not exit again for a minute', () => {
  const policy = policyOf();
  const processes = [process_(1001, { rss_bytes: 400 * MIB }), process_(1002)];
  policy.stuck({ pid: 1001, start_ticks: 10010 }, 0);
  expect(decide(policy, sample(1, { processes }))).toMatchObject({ victim: { target: { pid: 1002 } } });
  expect(decide(policy, sample(60_000, { processes }))).toMatchObject({ victim: { target: { pid: 1001 } } });
});

test('does nothing while enough memory is available', () => {
  expect(
    decide(policyOf(), sample(0, { system: system({ available_bytes: 900 * MIB }), processes: [] })),
  ).toBeUndefined();
});
