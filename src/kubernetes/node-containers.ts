/** The containers of the pods on this node, with what Kubernetes says about them and what their cgroups show. */
import { dirname } from 'node:path';
import { findContainers, reportOn } from '../container-watch/reports.ts';
import { nodeContainers, nodePods } from '../containers/node-files.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { ContainerMemory } from '../model/container-report.ts';
import { OomscopeError } from '../model/error.ts';
import type { KubernetesFacts } from '../model/kubernetes.ts';
import { PodDirectory } from './pod-directory.ts';
import type { KnownPod } from './pod-facts.ts';

/** The limit that will be hit first. */
export interface EffectiveLimit {
  /** Whose limit it is; `above`: that of a cgroup above the pod. */
  of: 'container' | 'pod' | 'above';
  limit_bytes: number;
  left_bytes: number;
}

/** A container that runs in a pod. */
export interface PodContainer {
  kubernetes: KubernetesFacts;
  memory: ContainerMemory;
  /** The limit of the pod's own cgroup. null: it has none. */
  pod_limit_bytes: number | null;
  /** How often that limit made the kernel look for a victim (memory.events.local, oom). null: cgroup v1, or unknown. */
  pod_ooms: number | null;
  /** How often usage was at that limit (memory.events.local, max). null: cgroup v1, or unknown; undefined: an older agent was asked. */
  pod_limit_hits?: number | null;
  /** How long the container has run, if the agent was asked. null: unknown. */
  age_seconds?: number | null;
}

export interface NodeContainersOptions {
  /** The pods of the node from the API; undefined: it does not answer. */
  pods: readonly KnownPod[] | undefined;
  /** The time over which growth is measured (ms); 0: it is not measured. */
  sampleMs: number;
  /** Root of the file system with the files of the kubelet and of containerd. */
  root?: string;
}

/** @throws OomscopeError NO_CGROUPS: no memory cgroups are mounted */
export async function podContainers({ pods, sampleMs, root = '/' }: NodeContainersOptions): Promise<PodContainer[]> {
  const cgroups = Cgroupfs.find();
  if (!cgroups) throw new OomscopeError('NO_CGROUPS', 'No memory cgroups are mounted here, so no pod can be seen.');
  const directory = new PodDirectory();
  for (const pod of pods ?? []) directory.set(pod);
  const named = await namesOnNode(root);
  const all = await findContainers([], cgroups);
  const ofPods = all.filter(({ report, cgroup }) => report.pod !== null && cgroup !== null);
  const found = ofPods.flatMap((subject) => {
    const facts = directory.factsOf(named(subject.report));
    return facts === null || isSandbox(facts) ? [] : [{ subject, facts }];
  });
  const reports = await reportOn(
    found.map(({ subject }) => subject),
    cgroups,
    sampleMs,
  );
  return reports.flatMap(({ memory }, i) => {
    const facts = found[i]?.facts;
    return memory === null || facts === undefined
      ? []
      : [{ kubernetes: facts, memory, ...podLimit(cgroups, memory.cgroup) }];
  });
}

/** The container that holds the namespaces of a pod: the API does not know it, and containerd calls it POD here. */
const isSandbox = ({ source, container }: KubernetesFacts) =>
  container === 'POD' || (source === 'api' && container === null);

function podLimit(
  cgroups: Cgroupfs,
  path: string,
): Pick<PodContainer, 'pod_limit_bytes' | 'pod_ooms' | 'pod_limit_hits'> {
  using group = cgroups.open(dirname(path));
  const counts = group?.localCounts();
  return {
    pod_limit_bytes: group?.limit() ?? null,
    pod_ooms: counts?.ooms ?? null,
    pod_limit_hits: counts?.limitHits ?? null,
  };
}

/** Adds the names of files on the node to the owner of a cgroup. */
async function namesOnNode(root: string): Promise<(owner: CgroupOwner) => CgroupOwner> {
  const containers = new Map((await nodeContainers(root)).map((each) => [each.container.id, each]));
  const pods = new Map((await nodePods(root)).map((pod) => [pod.uid, pod]));
  return (owner) => {
    const known = containers.get(owner.container?.id ?? '');
    const pod = known?.pod ?? pods.get(owner.pod?.uid ?? '');
    return {
      ...owner,
      container: owner.container && { ...owner.container, name: known?.container.name ?? owner.container.name },
      pod: owner.pod && {
        ...owner.pod,
        name: pod?.name ?? owner.pod.name,
        namespace: pod?.namespace ?? owner.pod.namespace,
      },
    };
  };
}
