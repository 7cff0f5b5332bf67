/** The labels of an owner. They must not be new for every container, session or pod, so ids are taken out of names. */
import { containerCgroup, ownerOf } from '../containers/container-path.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { KubernetesFacts, KubernetesOwner } from '../model/kubernetes.ts';
import type { OomKill } from '../model/oom-kill.ts';
import type { Labels } from './registry.ts';

export interface OwnerOptions {
  /** Whether to label by pod, too. A pod's name is new whenever it is replaced, so that old series pile up. */
  pods: boolean;
  /** What Kubernetes says about the owner of a cgroup; undefined: nothing. */
  factsOf?:
    | ((owner: CgroupOwner) => Pick<KubernetesFacts, 'namespace' | 'pod' | 'container' | 'workload'> | null | undefined)
    | undefined;
}

/** The labels of the owner of a cgroup. */
export function labelsOf(owner: CgroupOwner, { pods, factsOf }: OwnerOptions): Labels {
  const { unit, pod, container } = owner;
  const facts = pod ? factsOf?.(owner) : undefined;
  const service = container?.compose_service ?? undefined;
  const project = service === undefined ? undefined : (container?.compose_project ?? undefined);
  return {
    namespace: facts?.namespace ?? pod?.namespace ?? undefined,
    workload: facts?.workload
      ? workloadOf(facts.workload)
      : project === undefined
        ? undefined
        : `${project}/${service}`,
    pod: pods ? (facts?.pod ?? pod?.name ?? undefined) : undefined,
    container: facts?.container ?? service ?? container?.name ?? undefined,
    // The unit of a container or pod is its own scope or slice, and is named by its id.
    unit: container || pod || unit === null ? undefined : withoutIds(unit),
  };
}

/** "Deployment/shop". The jobs of a CronJob end in the minute of their start: "Job/backup-29400000" → "Job/backup-*". */
const workloadOf = ({ kind, name }: KubernetesOwner) =>
  `${kind}/${kind === 'Job' ? name.replace(/-\d{8,}$/, '-*') : name}`;

/** "session-12.scope" → "session-*.scope"; "kubepods-pod0a1b….slice" → "kubepods-pod*.slice". */
export function withoutIds(unit: string): string {
  const plain = unit.replace(
    /[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|(?:(?<=-)r)?[0-9a-f]{32,}/g,
    '*',
  );
  const isTransient = plain.endsWith('.scope') || plain.startsWith('run-');
  return isTransient ? plain.replace(/([-_.])(?:[a-z]?\d+|r?[0-9a-f]{8,})(?=[-_.@])/g, '$1*') : plain;
}

/**
 * What ran out of memory, in the words of Kubernetes' `kubelet_oom_kills_total` (`container`, `pod`) and further ones:
 * `inside` is a cgroup that a container's processes made, `unit` a service or scope, `cgroup` any other cgroup.
 */
export type KillScope =
  | ('container' | 'inside' | 'pod' | 'unit' | 'slice' | 'cgroup')
  | ('system' | 'cpuset' | 'mempolicy' | 'unknown');

export function scopeOf({ scope, limit, victim }: Pick<OomKill, 'scope' | 'limit' | 'victim'>): KillScope {
  if (scope !== 'cgroup') return scope ?? 'unknown';
  if (!limit || limit.path.startsWith('/…')) return 'cgroup';
  const { path } = limit;
  const own = victim.container && victim.cgroup !== null ? containerCgroup(victim.cgroup, victim.container.id) : null;
  if (own !== null) {
    if (path === own) return 'container';
    if (path.startsWith(`${own}/`)) return 'inside';
  }
  const { unit, pod, container } = ownerOf(path);
  if (container) return 'container';
  if (pod) return 'pod';
  if (unit?.endsWith('.slice')) return 'slice';
  return unit === null ? 'cgroup' : 'unit';
}

/** Whether a series with these labels says to whom it belongs. */
export const hasOwner = (labels: Labels): boolean => Object.values(labels).some((value) => value !== undefined);
