/** What `oomscope k8s top` shows of a container, from its cgroup or from the summary of its kubelet. */
import type { KubernetesFacts } from '../model/kubernetes.ts';
import type { Growth } from '../model/pressure.ts';
import type { KubeletContainer } from './kubelet-pods.ts';
import type { EffectiveLimit, PodContainer } from './node-containers.ts';

export type TopContainer = PodContainer | KubeletContainer;

export interface TopRow {
  kubernetes: KubernetesFacts;
  /** Memory that cannot be reclaimed; from a kubelet, the working set. */
  heldBytes: number;
  limit: EffectiveLimit | null;
  /** Percent of the last ten seconds. null: unknown. */
  some: number | null;
  growth: Growth | null;
  /** null: unknown. */
  kills: number | null;
}

export function topRow({ kubernetes, memory }: TopContainer): TopRow {
  const some = memory.pressure?.some.avg10 ?? null;
  if ('source' in memory) {
    const { working_set_bytes: heldBytes, effective_limit: limit } = memory;
    return { kubernetes, heldBytes, limit, some, growth: null, kills: null };
  }
  const { unreclaimable_bytes: heldBytes, effective_limit: limit, cgroup, growth, counts } = memory;
  const above = cgroup.slice(0, cgroup.lastIndexOf('/'));
  const of = limit?.path === cgroup ? 'container' : limit?.path === above ? 'pod' : 'above';
  return { kubernetes, heldBytes, limit: limit && { ...limit, of }, some, growth, kills: counts.oom_kills };
}
