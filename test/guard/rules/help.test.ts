/** Whether a kill helps: shared memory, a tmpfs and memory of the kernel stay when a process is killed. */
import { describe, expect, test } from 'vitest';
import { Policy } from '../../../src/guard/rules/decide.ts';
import { neededBytes } from '../../../src/guard/rules/help.ts';
import { leastBytes } from '../../../src/guard/rules/rank.ts';
import type { SampledProcess, SampledUse } from '../../../src/model/sample.ts';
import { cgroup, detector, GIB, MIB, process_, rule, sample, self, system } from './world.ts';

const use = (given: Partial<SampledUse> = {}): SampledUse => ({
  ...{ anon_bytes: 0, shmem_bytes: 0, kernel_bytes: 0, hugetlb_bytes: 0, unevictable_bytes: 0, ...given },
});
const low = detector({ name: 'available' }, '<', 16 * MIB, 'bytes');
const inCgroup = rule({ on: [{ kind: 'cgroup', glob: '/app' }], when: [low] });
const worker = (pid: number, given: Partial<SampledProcess> = {}) => process_(pid, { rss_bytes: 3 * MIB, ...given });
const workers = [worker(1001), worker(1002), worker(1003), worker(1004)];

function decide(of: SampledUse, processes: SampledProcess[], policy = policyOf(), nowMs = 0) {
  const place = cgroup('/app', { limit_bytes: 128 * MIB, usage_bytes: 120 * MIB, use: of });
  const now = sample(nowMs, { cgroups: [place], processes });
  const [fired] = policy.update(now);
  return fired && policy.decide(fired, now);
}
const policyOf = () => new Policy({ rules: [inCgroup], killsPerMinute: 10, protect: [] }, self);

describe('kills no process', () => {
  test('when a tmpfs holds the memory, and says so', () => {
    expect(decide(use({ anon_bytes: 12 * MIB, shmem_bytes: 100 * MIB }), workers)).toMatchObject({
      ...{ kind: 'skip', reason: 'no_help' },
      detail: 'the victim would free 3 MiB of 120 MiB, and 100 MiB of shared memory and tmpfs (shmem) would stay',
    });
  });

  test('when the kernel holds the memory', () => {
    const { detail } = decide(use({ kernel_bytes: 90 * MIB, shmem_bytes: 30 * MIB }), workers) as { detail: string };
    expect(detail).toContain('90 MiB of the kernel (slab, page tables, stacks) and 30 MiB of shared memory');
  });

  test('when the processes share their memory', () => {
    const sharers = workers.map((one) => ({ ...one, rss_bytes: 103 * MIB, shmem_bytes: 100 * MIB }));
    const decision = decide(use({ anon_bytes: 12 * MIB, shmem_bytes: 100 * MIB }), sharers);
    expect(decision).toMatchObject({ kind: 'skip', reason: 'no_candidate' });
    expect(decision).toMatchObject({ ranking: { rejected: [{ reason: 'shared' }, {}, {}, {}] } });
    expect((decision as { detail: string }).detail).toBe(
      'process-1001 (pid 1001, and 3 more) shares its memory: 100 MiB of 103 MiB would stay',
    );
  });

  test('after a kill that freed next to nothing, for a minute, while most memory is not that of processes', () => {
    const policy = policyOf();
    const mixed = [process_(1001, { rss_bytes: 40 * MIB }), ...workers.slice(1)];
    const held = use({ anon_bytes: 12 * MIB, shmem_bytes: 100 * MIB });
    expect(decide(held, mixed, policy)).toMatchObject({ kind: 'kill', victim: { target: { pid: 1001 } } });
    policy.disappointed('/app', 0);
    expect(decide(held, mixed, policy, 59_999)).toMatchObject({ kind: 'skip', reason: 'no_help' });
    expect(decide(held, mixed, policy, 60_000)).toMatchObject({ kind: 'kill' });
    policy.disappointed('/app', 60_000);
    expect(decide(use({ anon_bytes: 110 * MIB }), mixed, policy, 60_001)).toMatchObject({ kind: 'kill' });
  });
});

describe('kills', () => {
  test('the process that has shared memory for itself alone', () => {
    const eater = process_(1005, { rss_bytes: 100 * MIB, shmem_bytes: 98 * MIB });
    expect(decide(use({ anon_bytes: 14 * MIB, shmem_bytes: 98 * MIB }), [...workers, eater])).toMatchObject({
      ...{ kind: 'kill', victim: { target: { pid: 1005 } } },
    });
  });

  test('a process with memory of its own beside processes that share more', () => {
    const sharers = workers.map((one) => ({ ...one, rss_bytes: 63 * MIB, shmem_bytes: 60 * MIB }));
    const eater = process_(1005, { rss_bytes: 40 * MIB });
    expect(decide(use({ anon_bytes: 52 * MIB, shmem_bytes: 60 * MIB }), [...sharers, eater])).toMatchObject({
      ...{ kind: 'kill', victim: { target: { pid: 1005 } } },
    });
  });

  test('a process that frees enough, on a machine where huge pages use most of the memory', () => {
    const machine = system({
      ...{ total_bytes: 128 * GIB, available_bytes: 2 * GIB, anon_bytes: 50 * GIB },
      use: use({ anon_bytes: 50 * GIB, hugetlb_bytes: 70 * GIB }),
    });
    const onSystem = rule({ when: [detector({ name: 'available' }, '<=', 10)] });
    const policy = new Policy({ rules: [onSystem], killsPerMinute: 10, protect: [] }, self);
    const now = sample(0, { system: machine, processes: [process_(1001, { rss_bytes: 8 * GIB })] });
    const [fired] = policy.update(now);
    expect(fired && policy.decide(fired, now)).toMatchObject({ kind: 'kill' });
  });

  test('where what the memory is used for is unknown', () => {
    const decision = decide(undefined as unknown as SampledUse, workers);
    expect(decision).toMatchObject({ kind: 'kill' });
  });
});

test('how much must be freed, until the rule no longer fires', () => {
  const place = cgroup('/app', { limit_bytes: 100 * MIB, usage_bytes: 95 * MIB });
  const of = (...when: ReturnType<typeof detector>[]) => neededBytes({ when }, sample(0), place);
  expect(of(low)).toBe(11 * MIB);
  expect(of(detector({ name: 'available' }, '<=', 10))).toBe(5 * MIB);
  expect(of(detector({ name: 'usage' }, '>', 80))).toBe(15 * MIB);
  expect(of(low, detector({ name: 'available' }, '<=', 10))).toBe(5 * MIB);
  expect(of(detector({ name: 'growth' }, '>', 1, 'bytes_per_second'))).toBeNull();
  const onSystem = { when: [detector({ name: 'available' }, '<=', 10)] };
  expect(neededBytes(onSystem, sample(0), undefined)).toBe(50 * MIB);
});

test('the smallest candidate depends on the limit, unless the rule names a size', () => {
  const small = cgroup('/small', { limit_bytes: 14 * MIB });
  const large = sample(0, { system: system({ total_bytes: 64 * GIB }) });
  const auto = rule({ minBytes: undefined });
  expect(leastBytes(auto, large, small)).toBeCloseTo(0.7 * MIB);
  expect(leastBytes(auto, large, undefined)).toBe(16 * MIB);
  expect(leastBytes(rule({ minBytes: 8 * MIB }), large, small)).toBe(8 * MIB);
});
