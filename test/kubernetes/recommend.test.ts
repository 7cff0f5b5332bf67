import { expect, test } from 'vitest';
import { adviseMemory, type Observed } from '../../src/kubernetes/recommend.ts';
import { type Outcome, outcome, run, type Shown, type Workload, workloads } from './workloads.ts';

const MIB = 2 ** 20;

interface Limits {
  /** MiB. undefined: none. */
  container: number | undefined;
  pod: number | undefined;
  request: number | undefined;
}
type Rule = (workload: Workload, shown: Shown, limits: Limits) => Limits;

/**
 * The VPA takes the request as the memory that was used at the kill, and adds a fifth, or 100 MiB; else it takes the peak and
 * 15 %. The limit keeps the proportion to the request that the manifest has.
 */
const vpa: Rule = (workload, shown, { request = 250, pod }) => {
  const ratio = workload.limit === null ? 1 : workload.limit / (workload.request ?? workload.limit);
  const target = shown.kills > 0 ? Math.max(request * 1.2, request + 100) : (shown.peakWorkingSet / MIB) * 1.15;
  return { container: target * ratio, pod, request: target };
};

/** krr: the peak and 15 %, or after a kill the limit and a quarter. */
const krr: Rule = (_, shown, { container, pod, request }) => ({
  ...{ pod, request },
  container: shown.kills > 0 && container !== undefined ? container * 1.25 : (shown.peakWorkingSet / MIB) * 1.15,
});

const ours: Rule = (_, shown, { container, pod, request }) => {
  const seen: Observed = {
    ...{ heldBytes: shown.held, workingSetBytes: shown.workingSet, peakBytes: shown.peak },
    ...{ peakWorkingSetBytes: shown.peakWorkingSet, limitHits: shown.limitHits, stalledPercent: shown.stalled },
    ...{ requestBytes: bytes(request), limitBytes: bytes(container), podLimitBytes: bytes(pod) },
    ...{ kills: shown.kills - shown.killsAtPod, podKills: shown.killsAtPod, otherKills: 0 },
    growth: { bytesPerSecond: shown.growth / 3600, seconds: shown.hours * 3600 },
    ...{ ageSeconds: shown.hours * 3600, heapBytes: null },
  };
  const advice = adviseMemory(seen);
  if (advice.scope === 'leak') return { container: Number.NaN, pod, request };
  return {
    container: (advice.limit_bytes ?? 0) / MIB,
    pod: advice.pod_limit_bytes === null ? undefined : advice.pod_limit_bytes / MIB,
    request: advice.request_bytes / MIB,
  };
};
const bytes = (mib: number | undefined) => (mib === undefined ? null : mib * MIB);

/** Follows the rule for a number of rounds, each a week, and counts how the workloads fare then. */
function play(rule: Rule, rounds: number): Record<Outcome | 'leak found', string[]> {
  const result = { good: [], kills: [], waits: [], waste: [], leak: [], 'leak found': [] } as Record<
    Outcome | 'leak found',
    string[]
  >;
  for (const workload of workloads) {
    let limits: Limits = {
      ...{ container: workload.limit ?? undefined, pod: workload.podLimit, request: workload.request ?? undefined },
    };
    for (let round = 0; round < rounds && !isFound(limits); round++) {
      const now = limits.pod === undefined ? workload : { ...workload, podLimit: limits.pod };
      limits = rule(workload, run(now, limits.container ?? null), limits);
    }
    const { container = 0, pod } = limits;
    result[isFound(limits) ? 'leak found' : outcome(workload, container, pod)].push(workload.name);
  }
  return result;
}

const isFound = ({ container }: Limits) => container !== undefined && Number.isNaN(container);

const count = (result: Record<string, string[]>) =>
  Object.fromEntries(Object.entries(result).map(([name, list]) => [name, list.length]));

test('of 30 workloads with known needs, fewer are killed, wait or waste by our advice than by the rules of VPA and krr', () => {
  expect(workloads).toHaveLength(30);
  const table = [1, 3].flatMap((rounds) =>
    Object.entries({ vpa, krr, ours }).map(([name, rule]) => ({ rounds, name, ...count(play(rule, rounds)) })),
  );
  if (process.env.SHOW) process.stdout.write(`${JSON.stringify([table, play(ours, 1), play(ours, 3)], null, 1)}\n`);
  const bad = (rule: Rule, rounds: number) => {
    const { kills, waits, waste, leak } = play(rule, rounds);
    return kills.length + waits.length + waste.length + leak.length;
  };
  expect(bad(ours, 1)).toBeLessThan(Math.min(bad(vpa, 1), bad(krr, 1)));
  expect(bad(ours, 3)).toBeLessThan(Math.min(bad(vpa, 3), bad(krr, 3)));
  expect(play(ours, 1)['leak found']).toEqual(['a slow leak', 'a fast leak']);
  expect(play(ours, 3).kills).toEqual([]);
});

test('a limit is not lowered below the size to which a program may grow its heap', () => {
  const seen = (heapBytes: number | null): Observed => ({
    ...{ heldBytes: 40 * MIB, workingSetBytes: 45 * MIB, peakBytes: 50 * MIB, peakWorkingSetBytes: 50 * MIB },
    ...{ requestBytes: 64 * MIB, limitBytes: 512 * MIB, podLimitBytes: null, limitHits: 0 },
    ...{ kills: 0, podKills: 0, otherKills: 0 },
    ...{ stalledPercent: 0, growth: null, ageSeconds: 10 * 86_400, heapBytes },
  });
  expect(adviseMemory(seen(null))).toMatchObject({ scope: 'container', limit_bytes: 79 * MIB });
  expect(adviseMemory(seen(400 * MIB))).toMatchObject({ scope: 'none', limit_bytes: 512 * MIB });
});
