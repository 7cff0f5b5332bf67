/** The labels of an owner. They must not be new for every container, session or pod, so ids are taken out of names. */
import { containerCgroup, ownerOf } from '../containers/container-path.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { OomKill } from '../model/oom-kill.ts';
import type { Labels } from './registry.ts';

export interface OwnerOptions {
  /** Whether to label by pod, too. A pod's name is new whenever it is replaced, so that old series pile up. */
  pods: boolean;
}

/** The labels of the owner of a cgroup. */
export function labelsOf({ unit, pod, container }: CgroupOwner, { pods }: OwnerOptions): Labels {
  const project = container?.compose_project ?? undefined;
  const service = container?.compose_service ?? undefined;
  return {
    namespace: pod?.namespace ?? undefined,
    workload: project !== undefined && service !== undefined ? `${project}/${service}` : undefined,
    pod: pods ? (pod?.name ?? undefined) : undefined,
    container: service === undefined ? (container?.name ?? undefined) : service,
    // The unit of a container or pod is its own scope or slice, and is named by its id.
    unit: container || pod || unit === null ? undefined : withoutIds(unit),
  };
}

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
