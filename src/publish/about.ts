/** Extracts what an event is about. The storm control folds by it, and the fleet finds incidents by it. */
import type { CgroupOwner } from '../model/container.ts';
import type { EventPlace } from '../model/fleet.ts';

interface Parts extends Partial<CgroupOwner> {
  cgroup?: string | null;
  path?: string;
  comm?: string | null;
}

/** The fields that events of several types have. Events of other versions may lack any of them. */
interface Loose {
  victim?: Parts | null;
  target?: Parts | null;
  subject?: Parts | null;
  limit?: { path?: string; limit_bytes?: number | null } | null;
  container?: CgroupOwner['container'];
  pod?: CgroupOwner['pod'];
  cgroup?: Parts | string | null;
}

export function aboutOf(event: object): EventPlace {
  const { victim, target, subject, limit, container, pod, cgroup } = event as Loose;
  const group = typeof cgroup === 'object' ? cgroup : undefined;
  const main = victim ?? target ?? subject ?? group ?? {};
  const box = main.container ?? container;
  const kube = main.pod ?? pod;
  return {
    cgroup: text(limit?.path ?? main.cgroup ?? main.path),
    limit_bytes: typeof limit?.limit_bytes === 'number' ? limit.limit_bytes : null,
    comm: text(main.comm),
    unit: text(main.unit),
    container: text(box?.name),
    image: text(box?.image),
    namespace: text(kube?.namespace),
    pod: text(kube?.name),
  };
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);

/**
 * The workload of a pod, from the pod's name: a Deployment adds a hash and five characters, a StatefulSet a number, a
 * DaemonSet or a Job five characters. null: the name has none of these forms.
 */
export function workloadOf({ namespace, pod }: Pick<EventPlace, 'namespace' | 'pod'>): string | null {
  if (pod === null) return null;
  const found = /^(.+?)(?:-[a-f0-9]{6,10}-[a-z0-9]{5}|-[bcdfghjklmnpqrstvwxz2456789]{5}|-\d{1,4})$/.exec(pod)?.[1];
  return found === undefined ? null : `${namespace ?? '?'}/${found}`;
}
