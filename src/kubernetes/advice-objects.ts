/** Writes advice as objects of Kubernetes: patches, VerticalPodAutoscalers and LimitRanges. Nothing applies them. */
import { writeQuantity } from './quantity.ts';
import type { WorkloadAdvice } from './workload-advice.ts';
import type { Yaml } from './yaml-write.ts';

const API: Record<string, string> = {
  ...{ Deployment: 'apps/v1', StatefulSet: 'apps/v1', DaemonSet: 'apps/v1', ReplicaSet: 'apps/v1' },
};

/** Strategic-merge patches, one for each workload that has something to change and takes such a patch. */
export function patches(advised: readonly WorkloadAdvice[]): Yaml[] {
  return byWorkload(advised.filter(({ advice: { scope } }) => scope === 'container' || scope === 'pod')).map(
    (group) => {
      const { namespace, apiVersion, kind, name, containers } = group;
      const podLimit = containers.find(({ advice }) => advice.scope === 'pod')?.advice.pod_limit_bytes ?? null;
      const spec = {
        ...(podLimit !== null && { resources: { limits: { memory: writeQuantity(podLimit) } } }),
        containers: containers.map(({ container, advice }) => ({
          name: container,
          resources: {
            requests: { memory: writeQuantity(advice.request_bytes) },
            ...(advice.limit_bytes !== null && { limits: { memory: writeQuantity(advice.limit_bytes) } }),
          },
        })),
      };
      return { apiVersion, kind, metadata: { name, namespace }, spec: { template: { spec } } };
    },
  );
}

/**
 * VerticalPodAutoscalers (autoscaling.k8s.io/v1) that only recommend, and keep within the advice: from the request to the
 * limit. A workload that leaks has none, because the autoscaler would follow the leak.
 */
export function verticalPodAutoscalers(advised: readonly WorkloadAdvice[]): Yaml[] {
  const leaking = new Set(
    advised
      .filter(({ advice }) => advice.scope === 'leak')
      .map(({ namespace, workload }) => keyOf(namespace, workload)),
  );
  return byWorkload(advised.filter(({ namespace, workload }) => !leaking.has(keyOf(namespace, workload)))).map(
    ({ namespace, apiVersion, kind, name, containers }) => ({
      ...{ apiVersion: 'autoscaling.k8s.io/v1', kind: 'VerticalPodAutoscaler', metadata: { name, namespace } },
      spec: {
        targetRef: { apiVersion, kind, name },
        updatePolicy: { updateMode: 'Off' },
        resourcePolicy: {
          containerPolicies: containers.map(({ container, advice }) => ({
            ...{ containerName: container, controlledResources: ['memory'], controlledValues: 'RequestsAndLimits' },
            minAllowed: { memory: writeQuantity(advice.request_bytes) },
            ...(advice.limit_bytes !== null && { maxAllowed: { memory: writeQuantity(advice.limit_bytes) } }),
          })),
        },
      },
    }),
  );
}

/**
 * A LimitRange for each namespace: the request and the limit of containers that name none. They are the largest of the
 * advice, so that each container on this node would fit.
 */
export function limitRanges(advised: readonly WorkloadAdvice[]): Yaml[] {
  const groups = Map.groupBy(advised, ({ namespace }) => namespace);
  return [...groups].flatMap(([namespace, group]) => {
    const limits = group.flatMap(({ advice }) => advice.limit_bytes ?? []);
    if (namespace === null || limits.length === 0) return [];
    const limit = Math.max(...limits);
    const request = Math.min(limit, Math.max(...group.map(({ advice }) => advice.request_bytes)));
    const item = {
      type: 'Container',
      default: { memory: writeQuantity(limit) },
      defaultRequest: { memory: writeQuantity(request) },
    };
    return [
      { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'memory', namespace }, spec: { limits: [item] } },
    ];
  });
}

interface Group {
  namespace: string;
  apiVersion: string;
  kind: string;
  name: string;
  containers: WorkloadAdvice[];
}

/** The containers of each workload whose kind has a template of pods. */
function byWorkload(advised: readonly WorkloadAdvice[]): Group[] {
  const wanted = advised.filter(({ container }) => container !== null);
  return [...Map.groupBy(wanted, ({ namespace, workload }) => keyOf(namespace, workload)).values()].flatMap((group) => {
    const { namespace = null, workload = null } = group[0] ?? {};
    const apiVersion = API[workload?.kind ?? ''];
    if (workload === null || namespace === null || apiVersion === undefined) return [];
    return [{ namespace, apiVersion, kind: workload.kind, name: workload.name, containers: group }];
  });
}

const keyOf = (namespace: string | null, workload: WorkloadAdvice['workload']) => JSON.stringify([namespace, workload]);
