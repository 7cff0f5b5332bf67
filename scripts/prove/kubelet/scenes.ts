/** Pods that end, or live on, in ways that Kubernetes reports wrongly or not at all; and what is true of each. */
import { setTimeout as sleep } from 'node:timers/promises';
import { items, record, text } from '../../../src/kubernetes/foreign.ts';
import type { PodKill } from '../../../src/kubernetes/pod-kills.ts';
import type { KillerKind } from '../../../src/model/process-killed.ts';
import { IMAGE } from './node.ts';

/** What a scene needs of the cluster. */
export interface Stage {
  /** The pod's object as Kubernetes has it. */
  pod(name: string): Promise<Record<string, unknown>>;
  /** Whether oomscope has written an Event on the pod. */
  isTold(name: string): Promise<boolean>;
}

export interface Truth {
  /** The Events that oomscope writes. */
  events: string[];
  /** The judgement of the last end of the container. null: none, because it lives, or no label is about memory. */
  verdict: PodKill['verdict'];
  /** Words of the Event or of the judgement. */
  says?: RegExp;
  /** Who killed the main process. null: it lives, or it ended by itself. */
  author: KillerKind | null;
  /** Words of the author's reason. */
  reason?: RegExp;
}

export interface Scene {
  name: string;
  what: string;
  spec: Record<string, unknown>;
  truth: Truth;
  /** Acts on the pod, and resolves when its end is told. Default: waits for the end of the container. */
  play?: (stage: Stage) => Promise<void>;
}

const POLL_MS = 3000;
const LIMIT_MS = 900_000;
/** Kubernetes tells ends in whole seconds, and an end this soon after a kill of a child is taken for its consequence. */
const LATER_SECONDS = 10;

const memory = (limit: number | null, request = 8) => ({
  requests: { memory: `${request}Mi` },
  ...(limit !== null && { limits: { memory: `${limit}Mi` } }),
});
const container = (command: string[], limit: number | null, more: object = {}) => ({
  ...{ name: 'app', image: IMAGE, imagePullPolicy: 'Never', command, resources: memory(limit) },
  ...more,
});
const sh = (script: string) => ['sh', '-c', script];
/** As process 1, a shell gets only the signals for which it has a handler. */
const GOES_ON = 'while :; do sleep 1; done';
const HANDLES_TERM = "trap 'exit 143' TERM;";

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + LIMIT_MS; !(await holds()); await sleep(POLL_MS))
    if (performance.now() > end) throw new Error(`${what} did not come within ${LIMIT_MS / 1000} s`);
}

/** The last end of the container `app`, if it has ended. */
export function lastEnd(pod: Record<string, unknown>): Record<string, unknown> | undefined {
  const statuses = items(record(pod.status).containerStatuses).map(record);
  const app = statuses.find(({ name }) => name === 'app') ?? {};
  const ends = [record(app.state).terminated, record(app.lastState).terminated];
  const found = ends.find((end) => end !== undefined && end !== null);
  return found === undefined ? undefined : record(found);
}

const endOf = (name: string, stage: Stage) =>
  until(`the end of ${name}`, async () => lastEnd(await stage.pod(name)) !== undefined);
/** Resolves when oomscope has written an Event on the pod. */
export const told = (name: string, stage: Stage) => until(`the Event on ${name}`, () => stage.isTold(name));

const probe = { exec: { command: ['sh', '-c', 'exit 1'] }, periodSeconds: 5, failureThreshold: 1 };
const restarted = { restartPolicy: 'Always', terminationGracePeriodSeconds: 3 };

/** The kernel kills processes of these pods. They are played at the same time. */
export const killed: readonly Scene[] = [
  {
    name: 'main',
    what: 'the main process of the only container exceeds the limit',
    spec: { containers: [container(['eat', '200'], 32)] },
    // The kubelet gives the pod the sum of the limits of its containers, and the sandbox is charged to the pod, too.
    truth: { events: ['ContainerOOMKilled'], verdict: 'true', says: /Scope: pod\..*the sum/, author: 'oom_killer' },
  },
  {
    name: 'two',
    what: 'the main process of one of two containers exceeds the limit of its container',
    spec: { containers: [container(['eat', '200'], 32), container(sh(GOES_ON), 32, { name: 'calm' })] },
    truth: { events: ['ContainerOOMKilled'], verdict: 'true', says: /Scope: container/, author: 'oom_killer' },
  },
  {
    name: 'child',
    what: 'a child exceeds the limit; the container goes on',
    spec: { containers: [container(sh(`eat 200; ${GOES_ON}`), 32)] },
    truth: { events: ['ProcessOOMKilled'], verdict: null, says: /its main process was not killed/, author: null },
    play: (stage) => told('child', stage),
  },
  {
    name: 'completed',
    what: 'a child exceeds the limit; later the main process exits with 0',
    spec: { containers: [container(sh(`eat 200; sleep ${LATER_SECONDS}; exit 0`), 32)] },
    truth: { events: ['ProcessOOMKilled'], verdict: 'false', says: /ended by itself, with success/, author: null },
  },
  {
    name: 'follows',
    what: 'a child exceeds the limit; the main process exits at once with the status of the child',
    spec: { containers: [container(sh('eat 200; exit $?'), 32)] },
    truth: { events: ['ProcessOOMKilled'], verdict: 'child', says: /the container ended with it/, author: null },
  },
  {
    name: 'podlimit',
    what: 'files in memory of an init container leave too little of the limit of the pod',
    spec: {
      volumes: [{ name: 'memory', emptyDir: { medium: 'Memory' } }],
      initContainers: [
        container(sh('dd if=/dev/zero of=/memory/file bs=1M count=24'), 40, {
          ...{ name: 'fill', volumeMounts: [{ name: 'memory', mountPath: '/memory' }] },
        }),
      ],
      containers: [container(['eat', '32'], 40)],
    },
    truth: { events: ['ContainerOOMKilled'], verdict: 'true', says: /Scope: pod/, author: 'oom_killer' },
  },
  {
    name: 'group',
    what: 'the limit is exceeded, with memory.oom.group',
    spec: {
      containers: [
        container(
          sh(`eat 2 & eat 2 & until grep -q 1 /sys/fs/cgroup/memory.oom.group; do sleep 1; done; eat 200; ${GOES_ON}`),
          32,
        ),
      ],
    },
    truth: { events: ['ContainerOOMKilled'], verdict: 'true', says: /Scope: pod/, author: 'oom_killer' },
  },
];

/** The kubelet ends these pods. The last is played alone, because it makes the memory of all pods short. */
export const ended: readonly Scene[] = [
  {
    name: 'stopped',
    what: 'a child exceeds the limit; later a liveness probe fails, and the main process exits at SIGTERM',
    spec: {
      ...restarted,
      containers: [
        container(sh(`${HANDLES_TERM} eat 200; sleep ${LATER_SECONDS}; touch /later; ${GOES_ON}`), 32, {
          livenessProbe: { ...probe, exec: { command: ['sh', '-c', 'test ! -e /later'] } },
        }),
      ],
    },
    truth: {
      ...{
        events: ['ProcessOOMKilled'],
        verdict: 'false',
        says: /SIGTERM ended it .*The kubelet had it ended: "Container app failed liveness probe/,
      },
      author: null,
    },
  },
  {
    name: 'liveness',
    what: 'a liveness probe fails, and the main process ignores SIGTERM',
    spec: {
      ...restarted,
      containers: [container(sh(GOES_ON), 32, { livenessProbe: { ...probe, initialDelaySeconds: 10 } })],
    },
    truth: { events: [], verdict: null, author: 'kubelet', reason: /probe|[Kk]illing/ },
  },
  {
    name: 'probed',
    what: 'a child exceeds the limit; later a liveness probe fails',
    spec: {
      ...restarted,
      containers: [
        container(sh(`eat 200; sleep ${LATER_SECONDS}; touch /later; ${GOES_ON}`), 32, {
          livenessProbe: { ...probe, exec: { command: ['sh', '-c', 'test ! -e /later'] } },
        }),
      ],
    },
    truth: {
      ...{
        events: ['ProcessOOMKilled'],
        verdict: 'false',
        says: /Another SIGKILL ended it.*The kubelet had it ended: "Container app failed liveness probe/,
      },
      ...{ author: 'kubelet', reason: /probe|[Kk]illing/ },
    },
  },
  {
    name: 'evicted',
    what: 'the kubelet evicts the pod',
    spec: { containers: [container(['eat', '320'], null)] },
    truth: { events: [], verdict: 'evicted', author: 'kubelet', reason: /[Ee]vict|[Kk]illing/ },
    play: (stage) =>
      until('the eviction', async () => text(record((await stage.pod('evicted')).status).reason) === 'Evicted'),
  },
];

/** The last pod. It has a request, because a kubelet that is short of memory refuses pods without one. */
export const finish = { containers: [container(['eat'], null)] };

export const play = (scene: Scene, stage: Stage): Promise<void> =>
  scene.play ? scene.play(stage) : endOf(scene.name, stage);
