/** Joins the containers of a workload on this node, and advises them together. Pure functions. */
import type { KubernetesOwner } from '../model/kubernetes.ts';
import type { PodContainer } from './node-containers.ts';
import { writeQuantity } from './quantity.ts';
import { adviseMemory, type MemoryAdvice, type Observed } from './recommend.ts';
import type { Yaml } from './yaml-write.ts';

export interface WorkloadAdvice {
  namespace: string | null;
  /** The object to change. null: the pod has no owner, or it is unknown: then `pod` names the pod. */
  workload: KubernetesOwner | null;
  pod: string | null;
  container: string | null;
  /** How many of its containers run on this node. */
  replicas: number;
  observed: Observed;
  advice: MemoryAdvice;
}

/** @param ageSeconds time since the start of a container, by its cgroup; null: unknown */
export function adviseWorkloads(
  containers: readonly PodContainer[],
  sampleSeconds: number,
  ageSeconds: (cgroup: string) => number | null,
): WorkloadAdvice[] {
  const groups = Map.groupBy(containers, ({ kubernetes: { namespace, workload, pod, uid, container } }) =>
    JSON.stringify([namespace, workload ?? pod ?? uid, container]),
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const { namespace, workload, pod, container } = first.kubernetes;
    const seen = group.map((each) => observedOf(each, sampleSeconds, ageSeconds(each.memory.cgroup)));
    const observed = seen.reduce(worse);
    return [{ namespace, workload, pod, container, replicas: group.length, observed, advice: adviseMemory(observed) }];
  });
}

function observedOf(
  { kubernetes, memory, pod_limit_bytes, pod_ooms }: PodContainer,
  sampleSeconds: number,
  age: number | null,
): Observed {
  const { container_memory: asked } = kubernetes;
  const limit = memory.limit_bytes ?? asked?.limit_bytes ?? null;
  const kills = memory.counts.oom_kills ?? 0;
  const podKills = Math.min(kills, pod_ooms ?? 0);
  const isOwn = pod_limit_bytes !== null && (podKills > 0 || limit === null || pod_limit_bytes < limit);
  const slope = memory.growth?.bytes_per_second ?? null;
  return {
    ...{
      heldBytes: memory.unreclaimable_bytes,
      workingSetBytes: memory.working_set_bytes,
      peakBytes: memory.peak_bytes,
    },
    ...{ peakWorkingSetBytes: null, requestBytes: asked?.request_bytes ?? null, limitBytes: limit },
    podLimitBytes: isOwn ? pod_limit_bytes : null,
    ...{ limitHits: memory.counts.limit_hits ?? 0, kills: kills - podKills, podKills },
    stalledPercent: memory.pressure?.some.avg300 ?? null,
    growth: slope === null ? null : { bytesPerSecond: slope, seconds: sampleSeconds },
    ageSeconds: age,
  };
}

/** What fits both of two replicas: all have one manifest, so the one with the greater need decides. */
function worse(a: Observed, b: Observed): Observed {
  const most = (x: number | null, y: number | null) => (x === null || y === null ? (x ?? y) : Math.max(x, y));
  return {
    heldBytes: Math.max(a.heldBytes, b.heldBytes),
    workingSetBytes: Math.max(a.workingSetBytes, b.workingSetBytes),
    peakBytes: most(a.peakBytes, b.peakBytes),
    peakWorkingSetBytes: most(a.peakWorkingSetBytes, b.peakWorkingSetBytes),
    ...{
      requestBytes: a.requestBytes,
      limitBytes: a.limitBytes,
      podLimitBytes: most(a.podLimitBytes, b.podLimitBytes),
    },
    limitHits: Math.max(a.limitHits, b.limitHits),
    kills: a.kills + b.kills,
    podKills: a.podKills + b.podKills,
    stalledPercent: most(a.stalledPercent, b.stalledPercent),
    growth: (a.growth?.bytesPerSecond ?? 0) > (b.growth?.bytesPerSecond ?? 0) ? a.growth : b.growth,
    ageSeconds: most(a.ageSeconds, b.ageSeconds),
  };
}

const API: Record<string, string> = {
  ...{ Deployment: 'apps/v1', StatefulSet: 'apps/v1', DaemonSet: 'apps/v1', ReplicaSet: 'apps/v1' },
};

/** Strategic-merge patches, one for each workload that has something to change and takes such a patch. */
export function patches(advised: readonly WorkloadAdvice[]): Yaml[] {
  const wanted = advised.filter(({ workload, container, advice }) => {
    const changes = advice.scope === 'container' || advice.scope === 'pod';
    return changes && container !== null && workload !== null && API[workload.kind] !== undefined;
  });
  const groups = Map.groupBy(wanted, ({ namespace, workload }) => JSON.stringify([namespace, workload]));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first?.workload || first.namespace === null) return [];
    const { kind, name } = first.workload;
    const podLimit = group.find(({ advice }) => advice.scope === 'pod')?.advice.pod_limit_bytes ?? null;
    const spec = {
      ...(podLimit !== null && { resources: { limits: { memory: writeQuantity(podLimit) } } }),
      containers: group.map(({ container, advice }) => ({
        name: container,
        resources: {
          requests: { memory: writeQuantity(advice.request_bytes) },
          ...(advice.limit_bytes !== null && { limits: { memory: writeQuantity(advice.limit_bytes) } }),
        },
      })),
    };
    return [
      { apiVersion: API[kind], kind, metadata: { name, namespace: first.namespace }, spec: { template: { spec } } },
    ];
  });
}
