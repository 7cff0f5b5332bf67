/** Reads what oomscope needs from a pod as the API describes it. Values of an unexpected type are left out. */
import type { KubernetesFacts, KubernetesMemory, KubernetesOwner } from '../model/kubernetes.ts';
import { items, number, record, text } from './foreign.ts';
import { parseQuantity } from './quantity.ts';

/** One container of a pod. */
export interface KnownContainer {
  name: string;
  kind: NonNullable<KubernetesFacts['container_kind']>;
  memory: KubernetesMemory;
}

/** One pod. It holds some 1 kB, where the object of the API holds some 10 kB. */
export interface KnownPod {
  uid: string;
  /** The uid in the paths of cgroups. For a static pod the kubelet uses a hash, which an annotation of its mirror has. */
  cgroupUid: string;
  namespace: string;
  name: string;
  /** The kubelet has started the pod from a file; its object in the API is only a mirror. */
  isStatic: boolean;
  /** Its containers have one pid namespace, so that the main process of a container is not pid 1 there. */
  sharesPids: boolean;
  owners: KubernetesOwner[];
  qos: KubernetesFacts['qos'];
  node: string | null;
  priorityClass: string | null;
  priority: number | null;
  memory: KubernetesMemory;
  limit: KubernetesFacts['pod_limit'];
  containers: KnownContainer[];
  /** The container's name by the id that the runtime gave it. */
  nameOfId: Map<string, string>;
}

/** A pod may have hundreds of containers; more than this are not remembered. */
const MOST_CONTAINERS = 1000;

/** @returns undefined: the object has no uid, name or namespace, so it is not a pod */
export function readPod(object: unknown): KnownPod | undefined {
  const { metadata, spec, status } = parts(object);
  const [uid, name, namespace] = [text(metadata.uid), text(metadata.name), text(metadata.namespace)];
  if (uid === null || name === null || namespace === null) return undefined;
  const notes = record(metadata.annotations);
  const hash = text(notes['kubernetes.io/config.mirror']) ?? text(notes['kubernetes.io/config.hash']);
  const containers = containersOf(spec);
  return {
    ...{ uid, name, namespace, cgroupUid: hash ?? uid, containers },
    isStatic: hash !== null,
    sharesPids: spec.shareProcessNamespace === true || spec.hostPID === true,
    owners: ownersOf(metadata),
    qos: qosOf(status.qosClass),
    node: text(spec.nodeName),
    priorityClass: text(spec.priorityClassName),
    priority: number(spec.priority),
    ...podMemory(spec, containers),
    nameOfId: idsOf(status),
  };
}

/** What an event says about a container of this pod. @param id the runtime's id of the container; null: the whole pod */
export function factsOf(pod: KnownPod, id: string | null, name: string | null): KubernetesFacts {
  const known = (id === null ? undefined : pod.nameOfId.get(id)) ?? name;
  const container = pod.containers.find((each) => each.name === known);
  return {
    ...{ source: 'api', namespace: pod.namespace, pod: pod.name, uid: pod.uid },
    container: known,
    container_kind: container?.kind ?? null,
    owners: pod.owners,
    workload: pod.owners.at(-1) ?? null,
    ...{ qos: pod.qos, node: pod.node, priority_class: pod.priorityClass, priority: pod.priority },
    container_memory: container?.memory ?? null,
    pod_memory: pod.memory,
    pod_limit: pod.limit,
  };
}

function parts(object: unknown) {
  const { metadata, spec, status } = record(object);
  return { metadata: record(metadata), spec: record(spec), status: record(status) };
}

/**
 * The controller, and the Deployment above a ReplicaSet: a Deployment names its ReplicaSets NAME-HASH, and labels
 * their pods with the hash (pkg/controller/deployment/sync.go, getNewReplicaSet()).
 */
function ownersOf(metadata: Record<string, unknown>): KubernetesOwner[] {
  const controller = items(metadata.ownerReferences)
    .map(record)
    .find(({ controller }) => controller === true);
  const [kind, name] = [text(controller?.kind), text(controller?.name)];
  if (kind === null || name === null) return [];
  const hash = text(record(metadata.labels)['pod-template-hash']);
  const isOfDeployment = kind === 'ReplicaSet' && hash !== null && name.endsWith(`-${hash}`);
  const deployment = isOfDeployment ? [{ kind: 'Deployment', name: name.slice(0, -hash.length - 1) }] : [];
  return [{ kind, name }, ...deployment];
}

function qosOf(value: unknown): KubernetesFacts['qos'] {
  switch (value) {
    case 'Guaranteed':
      return 'guaranteed';
    case 'Burstable':
      return 'burstable';
    case 'BestEffort':
      return 'besteffort';
    default:
      return null;
  }
}

function containersOf(spec: Record<string, unknown>): KnownContainer[] {
  const read = (list: unknown, kind: (container: Record<string, unknown>) => KnownContainer['kind']) =>
    items(list).flatMap((each) => {
      const container = record(each);
      const name = text(container.name);
      return name === null ? [] : [{ name, kind: kind(container), memory: memoryOf(container.resources) }];
    });
  return [
    ...read(spec.containers, () => 'main'),
    ...read(spec.initContainers, ({ restartPolicy }) => (restartPolicy === 'Always' ? 'sidecar' : 'init')),
    ...read(spec.ephemeralContainers, () => 'ephemeral'),
  ].slice(0, MOST_CONTAINERS);
}

/** @param resources of a container, or of the pod itself */
function memoryOf(resources: unknown): KubernetesMemory {
  const { requests, limits } = record(resources);
  const limit = parseQuantity(record(limits).memory);
  // The API server sets a missing request to the limit (pkg/apis/core/v1/defaults.go, SetDefaults_Pod()).
  return { request_bytes: parseQuantity(record(requests).memory) ?? limit, limit_bytes: limit };
}

/**
 * Request and limit of the pod: its own, else as the kubelet computes them (component-helpers, resource/helpers.go,
 * PodRequests() and PodLimits()): the sum of main and sidecar containers, or the most that an init container needs
 * together with the sidecars that were started before it. A pod has a limit only if all of its containers have one.
 */
function podMemory(
  spec: Record<string, unknown>,
  containers: readonly KnownContainer[],
): Pick<KnownPod, 'memory' | 'limit'> {
  const own = memoryOf(spec.resources);
  const overhead = parseQuantity(record(spec.overhead).memory) ?? 0;
  const sum = (of: 'request_bytes' | 'limit_bytes'): number | null => {
    const counted = containers.filter(({ kind }) => kind !== 'ephemeral');
    if (counted.every(({ memory }) => memory[of] === null)) return null;
    if (of === 'limit_bytes' && counted.some(({ memory, kind }) => kind !== 'init' && memory[of] === null)) return null;
    const bytes = ({ memory }: KnownContainer) => memory[of] ?? 0;
    let sidecars = 0;
    let starting = 0;
    for (const container of counted.filter(({ kind }) => kind === 'init' || kind === 'sidecar')) {
      if (container.kind === 'sidecar') sidecars += bytes(container);
      else starting = Math.max(starting, sidecars + bytes(container));
    }
    const running = counted
      .filter(({ kind }) => kind === 'main')
      .reduce((total, each) => total + bytes(each), sidecars);
    return Math.max(running, starting) + overhead;
  };
  const sumOfLimits = sum('limit_bytes');
  return {
    memory: {
      request_bytes: own.request_bytes ?? sum('request_bytes'),
      limit_bytes: own.limit_bytes ?? sumOfLimits,
    },
    limit: own.limit_bytes !== null ? 'own' : sumOfLimits === null ? null : 'sum',
  };
}

function idsOf(status: Record<string, unknown>): Map<string, string> {
  const lists = [status.containerStatuses, status.initContainerStatuses, status.ephemeralContainerStatuses];
  const known = lists.flatMap(items).flatMap((each): [string, string][] => {
    const { containerID, name, lastState } = record(each);
    const before = record(record(lastState).terminated).containerID;
    const named = text(name);
    // A kill is often handled after the next container was started; then the id is that of the last one.
    return named === null
      ? []
      : [before, containerID].flatMap((id) => idIn(id).map((bare): [string, string] => [bare, named]));
  });
  return new Map(known.slice(0, 2 * MOST_CONTAINERS));
}

/** The id in "containerd://ID". */
function idIn(value: unknown): string[] {
  const id = /^[a-z0-9-]+:\/\/([0-9a-f]{64})$/.exec(text(value) ?? '')?.[1];
  return id === undefined ? [] : [id];
}
