/** Kills for tests of what is written to Kubernetes: the recorded kill of a container, with other pods and numbers. */

import type { CgroupOwner } from '../../src/model/container.ts';
import type { Event, OomKill } from '../../src/model/events.ts';
import recording from '../../src/testing/recordings/container-kill.json' with { type: 'json' };

const recorded = (recording as unknown as Event[]).find(
  (event): event is OomKill => event.type === 'oom.kill',
) as OomKill;

export const containerId = (number: number): string => number.toString(16).padStart(64, 'c');
export const podUid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

export interface Wanted {
  id?: string;
  pod?: number;
  /** Process 1 of the container. Default true. */
  isMain?: boolean;
  /** Whose limit was hit. Default `container`. */
  limit?: 'container' | 'pod' | 'ancestor' | 'node';
  time?: string;
  comm?: string;
}

/** A kill in a pod, as the tracer emits it on a node whose files name no container. */
export function podKill({
  id = 'k-0',
  pod = 1,
  isMain = true,
  limit = 'container',
  time = recorded.time,
  comm = 'java',
}: Wanted = {}): OomKill {
  const podPath = `/kubepods/burstable/pod${podUid(pod)}`;
  const path = `${podPath}/${containerId(pod)}`;
  const owner: CgroupOwner = {
    unit: null,
    pod: { uid: podUid(pod), name: null, namespace: null, qos: 'burstable' },
    container: {
      ...{ runtime: null, id: containerId(pod), name: null, image: null, compose_project: null, compose_service: null },
    },
  };
  const usage = {
    ...(recorded.limit ?? recorded.cgroups[0]),
    oom_group: false,
    limit_bytes: 2 ** 29,
    usage_bytes: 2 ** 29,
  };
  const limits = {
    container: { ...usage, ...owner, path },
    pod: { ...usage, ...owner, container: null, path: podPath, limit_bytes: 2 ** 30, usage_bytes: 2 ** 30 },
    ancestor: { ...usage, unit: null, pod: null, container: null, path: '/kubepods', limit_bytes: 2 ** 33 },
    node: null,
  };
  return {
    ...recorded,
    ...{ id, time, scope: limit === 'node' ? 'system' : 'cgroup', kind: 'killed' },
    victim: {
      ...recorded.victim,
      ...{ ...owner, comm, cgroup: path, namespace_pids: isMain ? [4711, 1] : [4711, 17] },
    },
    limit: limits[limit] as OomKill['limit'],
    cgroups: [{ ...usage, path }] as OomKill['cgroups'],
  };
}

/** A pod as the API describes it, with one container `app` that has request and limit. */
export function podObject(number: number, node: string, namespace = 'shop'): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...{ name: `web-6d4cf56db6-${String(number).padStart(5, 'x')}`, namespace },
      labels: { 'pod-template-hash': '6d4cf56db6', app: 'web' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-6d4cf56db6', uid: podUid(999_999), controller: true },
      ],
    },
    spec: {
      nodeName: node,
      containers: [
        { name: 'app', image: 'shop/web:1', resources: { requests: { memory: '256Mi' }, limits: { memory: '512Mi' } } },
      ],
    },
  };
}
