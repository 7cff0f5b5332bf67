/** The pods of the node, by uid. A pod that was deleted is remembered for a while, because its last kill comes late. */
import type { CgroupOwner } from '../model/container.ts';
import type { KubernetesFacts } from '../model/kubernetes.ts';
import { factsOf, type KnownPod } from './pod-facts.ts';

/** The kubelet runs at most 110 pods by default, and 250 on large nodes. */
const MOST_PODS = 4096;
const MOST_GONE = 512;

export class PodDirectory {
  readonly #pods = new Map<string, KnownPod>();
  readonly #gone = new Map<string, KnownPod>();

  get size(): number {
    return this.#pods.size;
  }

  [Symbol.iterator](): IterableIterator<KnownPod> {
    return this.#pods.values();
  }

  set(pod: KnownPod): void {
    this.#gone.delete(pod.cgroupUid);
    if (this.#pods.size >= MOST_PODS && !this.#pods.has(pod.cgroupUid)) return;
    this.#pods.set(pod.cgroupUid, pod);
  }

  /** The pod was deleted. */
  remove(pod: Pick<KnownPod, 'cgroupUid'>): void {
    const known = this.#pods.get(pod.cgroupUid);
    if (!known) return;
    this.#pods.delete(pod.cgroupUid);
    this.#gone.set(pod.cgroupUid, known);
    if (this.#gone.size > MOST_GONE) this.#gone.delete(this.#gone.keys().next().value as string);
  }

  /** A new list: pods that it does not have were deleted. */
  replace(pods: readonly KnownPod[]): void {
    const now = new Set(pods.map(({ cgroupUid }) => cgroupUid));
    for (const known of [...this.#pods.values()]) if (!now.has(known.cgroupUid)) this.remove(known);
    for (const pod of pods) this.set(pod);
  }

  get(cgroupUid: string): KnownPod | undefined {
    return this.#pods.get(cgroupUid) ?? this.#gone.get(cgroupUid);
  }

  /** What Kubernetes says about the owner of a cgroup. null: the cgroup is not a pod's. */
  factsOf({ pod, container }: CgroupOwner): KubernetesFacts | null {
    if (pod === null) return null;
    const known = this.get(pod.uid);
    if (known) return factsOf(known, container?.id ?? null, container?.name ?? null);
    const { uid, namespace, name, qos } = pod;
    return {
      ...{ source: 'node', namespace, pod: name, uid, container: container?.name ?? null, container_kind: null },
      ...{ owners: [], workload: null, qos, node: null, priority_class: null, priority: null },
      ...{ container_memory: null, pod_memory: null, pod_limit: null },
    };
  }
}
