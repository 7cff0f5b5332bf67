/** Joins the containers of a workload, on this node or on all, and advises them together. Pure functions. */
import { killsAtLimit } from '../container-watch/limit-advice.ts';
import type { KubernetesOwner } from '../model/kubernetes.ts';
import { type HeapProcess, heapOf, type RuntimeHeap } from './heap.ts';
import type { PodContainer } from './node-containers.ts';
import { adviseMemory, type MemoryAdvice, type Observed } from './recommend.ts';

export interface WorkloadAdvice {
  namespace: string | null;
  /** The object to change. null: the pod has no owner, or it is unknown: then `pod` names the pod. */
  workload: KubernetesOwner | null;
  pod: string | null;
  container: string | null;
  /** How many of its containers were looked at: on this node or, with `--cluster`, on all nodes. */
  replicas: number;
  observed: Observed;
  advice: MemoryAdvice;
  /** The heap of the largest Java, Node or Go process in it, against the advised limit. null: there is none. */
  heap: RuntimeHeap | null;
}

/** What is read of a container's cgroup. */
export interface ContainerLook {
  /** Time since the start of the container; null: unknown. */
  ageSeconds: (cgroup: string) => number | null;
  /** Its processes, the largest first. */
  processes: (cgroup: string) => readonly HeapProcess[];
}

export function adviseWorkloads(
  containers: readonly PodContainer[],
  sampleSeconds: number,
  look: ContainerLook,
): WorkloadAdvice[] {
  const groups = Map.groupBy(containers, ({ kubernetes: { namespace, workload, pod, uid, container } }) =>
    JSON.stringify([namespace, workload ?? pod ?? uid, container]),
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const { namespace, workload, pod, container } = first.kubernetes;
    const processes = look.processes(first.memory.cgroup);
    // A heap that follows the limit, such as 75 % of it, has no size of its own.
    const heapBytes =
      processes.map((process) => heapOf(process, null)?.most_bytes).find((bytes) => bytes != null) ?? null;
    const seen = withOneLimit(
      group.map((each) => observedOf(each, sampleSeconds, look.ageSeconds(each.memory.cgroup))),
    );
    const observed = { ...seen.reduce(worse), heapBytes };
    const advice = adviseMemory(observed);
    const limit = advice.limit_bytes ?? observed.limitBytes;
    const heap = processes.map((process) => heapOf(process, limit));
    return [
      {
        ...{ namespace, workload, pod, container, replicas: seen.length, observed, advice },
        heap: heap.find((one) => one !== undefined) ?? null,
      },
    ];
  });
}

function observedOf(
  { kubernetes, memory, pod_limit_bytes, pod_ooms, pod_limit_hits }: PodContainer,
  sampleSeconds: number,
  age: number | null,
): Observed {
  const { container_memory: asked } = kubernetes;
  const limit = memory.limit_bytes ?? asked?.limit_bytes ?? null;
  const { kills, podKills, otherKills } = killsByLimit(memory.counts, pod_ooms);
  // Without the API, a limit of the pod that equals the container's is taken for a sum.
  const isSum = kubernetes.pod_limit === 'sum' || (kubernetes.pod_limit !== 'own' && pod_limit_bytes === limit);
  const isOwn = pod_limit_bytes !== null && !isSum && (podKills > 0 || limit === null || pod_limit_bytes < limit);
  const slope = memory.growth?.bytes_per_second ?? null;
  return {
    ...{
      heldBytes: memory.unreclaimable_bytes,
      workingSetBytes: memory.working_set_bytes,
      peakBytes: memory.peak_bytes,
    },
    ...{ peakWorkingSetBytes: null, requestBytes: asked?.request_bytes ?? null, limitBytes: limit },
    podLimitBytes: isOwn ? pod_limit_bytes : null,
    limitHits: (memory.counts.limit_hits ?? 0) + ((isSum && pod_limit_hits) || 0),
    ...{ kills, podKills, otherKills },
    stalledPercent: memory.pressure?.some.avg300 ?? null,
    growth: slope === null ? null : { bytesPerSecond: slope, seconds: sampleSeconds },
    ...{ ageSeconds: age, heapBytes: null },
  };
}

/** Tells the OOM kills in a container apart: at its own limit, at the limit of its pod, and others, such as by an OOM of the node. */
function killsByLimit(counts: PodContainer['memory']['counts'], podOoms: number | null) {
  const all = counts.oom_kills ?? 0;
  const atOwn = killsAtLimit(counts);
  // Where the OOMs of the container are not counted, those of the pod are the better evidence.
  const podKills = Math.min(counts.ooms == null ? all : all - atOwn, podOoms ?? 0);
  const kills = Math.min(atOwn, all - podKills);
  // An OOM at a limit may kill many processes (memory.oom.group), so a surplus of kills is no evidence of another OOM.
  return { kills, podKills, otherKills: kills + podKills > 0 ? 0 : all };
}

/**
 * During a rollout replicas have different limits. Only those with the largest limit count: what others needed under a smaller one, such
 * as kills, says nothing about it.
 */
function withOneLimit(seen: readonly Observed[]): Observed[] {
  const limitOf = ({ limitBytes }: Observed) => limitBytes ?? Number.POSITIVE_INFINITY;
  const most = Math.max(...seen.map(limitOf));
  return seen.filter((one) => limitOf(one) === most);
}

/** What fits both of two replicas: all have one limit, so the one with the greater need decides. */
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
    otherKills: a.otherKills + b.otherKills,
    stalledPercent: most(a.stalledPercent, b.stalledPercent),
    growth: (a.growth?.bytesPerSecond ?? 0) > (b.growth?.bytesPerSecond ?? 0) ? a.growth : b.growth,
    ageSeconds: most(a.ageSeconds, b.ageSeconds),
    heapBytes: most(a.heapBytes, b.heapBytes),
  };
}
