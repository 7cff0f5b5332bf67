import { expect, test } from 'vitest';
import { PodKillTable } from '../../src/kubernetes/pod-kills.ts';

/** As a kubelet writes it (pkg/kubelet/eviction/helpers.go); one before 1.26 writes no condition. */
const evicted = (resource = 'memory', conditions: object[] = []) => ({
  metadata: { namespace: 'shop', name: 'web', uid: 'u1' },
  spec: { nodeName: 'n1' },
  status: {
    phase: 'Failed',
    reason: 'Evicted',
    message: `The node was low on resource: ${resource}. Container app was using 40Mi, which exceeds its request of 0. `,
    conditions,
  },
});
const at = '2026-11-29T01:00:00Z';
const target = { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', lastTransitionTime: at };

test('an eviction for memory is a row, once, with the words of the kubelet', () => {
  const table = new PodKillTable({ sinceMs: 0 });
  const pod = evicted('memory', [target]);
  expect(table.newsOf(pod)).toHaveLength(1);
  expect(table.takePod(pod)).toEqual([
    {
      ...{ source: 'status', time: '2026-11-29T01:00:00.000Z', namespace: 'shop', pod: 'web', container: null },
      ...{ node: 'n1', reason: 'Evicted', count: 1, exit_code: null, verdict: 'evicted' },
      message:
        'The kubelet evicted the pod: "The node was low on resource: memory. Container app was using 40Mi, which exceeds its request of 0."',
    },
  ]);
  expect(table.newsOf(pod)).toEqual([]);
  expect(table.takePod(pod)).toEqual([]);
});

test('without a condition, the time of an eviction is that of the last stop', () => {
  const table = new PodKillTable({ sinceMs: 0 });
  table.takeStop('ADDED', {
    metadata: { name: 'e1' },
    ...{ reason: 'Killing', reportingController: 'kubelet', note: 'Stopping container app' },
    ...{ eventTime: at, regarding: { uid: 'u1', fieldPath: 'spec.containers{app}' } },
  });
  expect(table.takePod(evicted())).toMatchObject([{ time: '2026-11-29T01:00:00.000Z' }]);
  expect(new PodKillTable({ sinceMs: 0 }).takePod(evicted())).toMatchObject([{ time: null }]);
});

test('an eviction for another resource, and an older one than asked for, are no rows', () => {
  expect(new PodKillTable({ sinceMs: 0 }).takePod(evicted('ephemeral-storage', [target]))).toEqual([]);
  expect(new PodKillTable({ sinceMs: Date.parse(at) + 1 }).takePod(evicted('memory', [target]))).toEqual([]);
});
