import { expect, test } from 'vitest';
import { patches } from '../../src/kubernetes/advice-objects.ts';
import type { PodContainer } from '../../src/kubernetes/node-containers.ts';
import { adviseWorkloads } from '../../src/kubernetes/workload-advice.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';

const MIB = 2 ** 20;

/** A container with a limit of 64 MiB, one of whose processes was killed at the limit of the pod. */
const killedAtPodLimit = (podLimitBytes: number, facts: Partial<KubernetesFacts>): PodContainer => ({
  kubernetes: {
    ...{ source: 'api', namespace: 'shop', pod: 'web-1', uid: 'u', container: 'app', container_kind: 'main' },
    ...{
      workload: { kind: 'Deployment', name: 'web' },
      container_memory: { request_bytes: null, limit_bytes: 64 * MIB },
    },
    ...facts,
  } as KubernetesFacts,
  memory: {
    ...{ cgroup: '/kubepods/podu/c', limit_bytes: 64 * MIB, peak_bytes: 63 * MIB, growth: null, pressure: null },
    ...{ unreclaimable_bytes: 40 * MIB, working_set_bytes: 40 * MIB, counts: { oom_kills: 1, limit_hits: 0 } },
  } as PodContainer['memory'],
  ...{ pod_limit_bytes: podLimitBytes, pod_ooms: 1, pod_limit_hits: 9 },
});
const advise = (container: PodContainer) => {
  const [advised] = adviseWorkloads([container], 1, { ageSeconds: () => 10 * 86_400, processes: () => [] });
  if (!advised) throw new Error('expected advice');
  return advised;
};

test.each([
  ['the API knows the pod', { pod_limit: 'sum' as const }],
  ['only files on the node are known', { source: 'node' as const, pod_limit: null }],
])('a kill at a limit that is the sum of those of the containers raises the limit of the container: %s', (_, facts) => {
  const advised = advise(killedAtPodLimit(64 * MIB, facts));
  expect(advised.advice).toMatchObject({ scope: 'container', limit_bytes: 96 * MIB, pod_limit_bytes: null });
  expect(advised.advice.reasons[0]).toContain('It is the sum of the limits of its containers');
  expect(advised.observed).toMatchObject({ kills: 0, podKills: 1, limitHits: 9 });
  const [patch] = patches([advised]);
  expect(patch).not.toHaveProperty('spec.template.spec.resources');
});

test('a kill at a limit of its own of the pod raises that one', () => {
  const { advice } = advise(killedAtPodLimit(128 * MIB, { pod_limit: 'own' }));
  expect(advice).toMatchObject({ scope: 'pod', limit_bytes: 64 * MIB, pod_limit_bytes: 192 * MIB });
});

test.each([
  ['its own OOMs are counted', { oom_kills: 1, ooms: 0, limit_hits: 3 }],
  ['only the hits of its limit are counted', { oom_kills: 1, ooms: null, limit_hits: 0 }],
])('a kill because the whole node was out of memory raises no limit: %s', (_, counts) => {
  const container = killedAtPodLimit(2048 * MIB, { pod_limit: 'sum' });
  const sizes = { limit_bytes: 2048 * MIB, peak_bytes: 1000 * MIB, unreclaimable_bytes: 900 * MIB };
  const memory = { ...container.memory, ...sizes, working_set_bytes: 900 * MIB, counts: { ...counts, high: 0 } };
  const { advice, observed } = advise({ ...container, memory, pod_ooms: 0, pod_limit_hits: 0 });
  expect(observed).toMatchObject({ kills: 0, podKills: 0, otherKills: 1 });
  expect(advice.limit_bytes).toBeLessThanOrEqual(2048 * MIB);
  expect(advice.reasons[0]).toContain('It was killed, but not at its limit of 2 GiB: 1 OOM kill.');
});

test('a group kill at the limit of the container counts as one kill at the limit, and none elsewhere', () => {
  const container = killedAtPodLimit(64 * MIB, { pod_limit: 'sum' });
  const memory = { ...container.memory, counts: { oom_kills: 5, ooms: 1, limit_hits: 9, high: 0 } };
  const { advice, observed } = advise({ ...container, memory, pod_ooms: 0 });
  expect(observed).toMatchObject({ kills: 1, podKills: 0, otherKills: 0 });
  expect(advice).toMatchObject({ scope: 'container', limit_bytes: 96 * MIB });
});
