import { expect, test } from 'vitest';
import { limitRanges, patches, verticalPodAutoscalers } from '../../src/kubernetes/advice-objects.ts';
import type { MemoryAdvice } from '../../src/kubernetes/recommend.ts';
import type { WorkloadAdvice } from '../../src/kubernetes/workload-advice.ts';

const MIB = 2 ** 20;

function advised(name: string, container: string, scope: MemoryAdvice['scope'], request: number, limit: number) {
  const workload = { kind: 'Deployment', name };
  const advice = { scope, request_bytes: request * MIB, limit_bytes: limit * MIB, pod_limit_bytes: null };
  return { namespace: 'shop', workload, pod: null, container, replicas: 1, advice } as unknown as WorkloadAdvice;
}

const all = [
  advised('web', 'app', 'container', 64, 96),
  advised('web', 'proxy', 'none', 16, 32),
  advised('leaky', 'app', 'leak', 100, 200),
];

test('a patch has the containers that change', () => {
  expect(patches(all)).toMatchObject([
    { kind: 'Deployment', metadata: { name: 'web' }, spec: { template: { spec: { containers: [{ name: 'app' }] } } } },
  ]);
});

test('a VerticalPodAutoscaler only recommends, within the advice, and there is none for a leak', () => {
  expect(verticalPodAutoscalers(all)).toEqual([
    {
      ...{ apiVersion: 'autoscaling.k8s.io/v1', kind: 'VerticalPodAutoscaler' },
      metadata: { name: 'web', namespace: 'shop' },
      spec: {
        targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        updatePolicy: { updateMode: 'Off' },
        resourcePolicy: {
          containerPolicies: [
            {
              ...{ containerName: 'app', controlledResources: ['memory'], controlledValues: 'RequestsAndLimits' },
              ...{ minAllowed: { memory: '64Mi' }, maxAllowed: { memory: '96Mi' } },
            },
            {
              ...{ containerName: 'proxy', controlledResources: ['memory'], controlledValues: 'RequestsAndLimits' },
              ...{ minAllowed: { memory: '16Mi' }, maxAllowed: { memory: '32Mi' } },
            },
          ],
        },
      },
    },
  ]);
});

test('a LimitRange has room for the largest container of the namespace', () => {
  expect(limitRanges(all)).toMatchObject([
    {
      metadata: { namespace: 'shop' },
      spec: { limits: [{ type: 'Container', default: { memory: '200Mi' }, defaultRequest: { memory: '100Mi' } }] },
    },
  ]);
});
