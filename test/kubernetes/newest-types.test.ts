/**
 * What oomscope sends, against the types of the newest release of Kubernetes. This is no server: the types say which fields
 * there are, of which type, and which are needed, but nothing about their values. The real server of server.test.ts is older.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { hasNewestTypes, type NewestTypes, newestTypes } from '../../scripts/kubernetes/newest-types.ts';
import { limitRanges, patches } from '../../src/kubernetes/advice-objects.ts';
import type { KubernetesClient, RequestOptions } from '../../src/kubernetes/client.ts';
import { EventBudget, type Write } from '../../src/kubernetes/event-budget.ts';
import { manifest } from '../../src/kubernetes/manifest.ts';
import { NodeCondition } from '../../src/kubernetes/node-condition.ts';
import { eventsOfKill, eventsOfStuck } from '../../src/kubernetes/object-event.ts';
import { factsOf, readPod } from '../../src/kubernetes/pod-facts.ts';
import type { MemoryAdvice } from '../../src/kubernetes/recommend.ts';
import type { WorkloadAdvice } from '../../src/kubernetes/workload-advice.ts';
import type { OomStuck } from '../../src/model/events.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { podKill } from './kills.ts';

const isFull = (process.env.OOMSCOPE_TESTS ?? '').startsWith('all');
const facts = { namespace: 'shop', pod: 'web', uid: 'u', container: 'app', container_kind: 'main' } as KubernetesFacts;

describe.skipIf(!isFull && !hasNewestTypes())('the types of the newest Kubernetes', () => {
  let types: NewestTypes;
  beforeAll(async () => {
    types = await newestTypes();
  }, 120_000);

  /** Where a value is not of a type. @param isPatch only a part of an object, which may lack fields */
  const faults = (value: unknown, type: string, at = '$', isPatch = false): string[] => {
    const list = /^Array<(.+)>$/.exec(type)?.[1];
    const entry = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
    const wrong = [`${at}: expected ${type}, got ${JSON.stringify(value)}`];
    if (list !== undefined)
      return Array.isArray(value) ? value.flatMap((each, i) => faults(each, list, `${at}[${i}]`, isPatch)) : wrong;
    if (type === 'any' || type === 'IntOrString') return [];
    if (type === 'Date' || type === 'V1MicroTime')
      return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? [] : wrong;
    if (['string', 'number', 'boolean'].includes(type)) return typeof value === type ? [] : wrong;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong;
    const given = Object.entries(value).filter(([, each]) => each !== undefined);
    if (entry !== undefined) return given.flatMap(([name, each]) => faults(each, entry, `${at}.${name}`, isPatch));
    const fields = types.fields(type);
    if (!fields) return [`${at}: there is no type ${type}`];
    const missing = isPatch ? [] : [...fields].filter(([name, { isOptional }]) => !isOptional && !(name in value));
    return [
      ...missing.map(([name]) => `${at}: ${name} is missing`),
      ...given.flatMap(([name, each]) => {
        const field = fields.get(name);
        return field ? faults(each, field.type, `${at}.${name}`, isPatch) : [`${at}: ${type} has no ${name}`];
      }),
    ];
  };

  test('the check itself finds unknown, missing and wrong fields', () => {
    const pod = { spec: { containers: [{ nam: 'a' }], hostPID: 'yes' }, metadata: { labels: { a: 1 } } };
    expect(faults(pod, 'V1Pod')).toEqual([
      '$.spec.containers[0]: name is missing',
      '$.spec.containers[0]: V1Container has no nam',
      '$.spec.hostPID: expected boolean, got "yes"',
      '$.metadata.labels.a: expected string, got 1',
    ]);
  });

  test('each object of the manifest, with and without Events', () => {
    expect(types.release).toMatch(/^release-1\.(?:3[6-9]|[4-9]\d)$/);
    const kinds = { Namespace: 'V1Namespace', ServiceAccount: 'V1ServiceAccount', ClusterRole: 'V1ClusterRole' };
    const more = { ClusterRoleBinding: 'V1ClusterRoleBinding', ConfigMap: 'V1ConfigMap', DaemonSet: 'V1DaemonSet' };
    for (const events of [true, false]) {
      const objects = Object.values(manifest({ namespace: 'oomscope', image: 'oomscope:0.1.0', events }));
      expect(objects).toHaveLength(6);
      for (const object of objects) {
        const { kind } = object as { kind: keyof typeof kinds & keyof typeof more };
        expect(faults(object, { ...kinds, ...more }[kind]), kind).toEqual([]);
      }
    }
  });

  test('each Event, and each count of a series', () => {
    const stuck = { ...podKill(), type: 'oom.stuck', state: 'stuck', message: 'stuck' } as unknown as OomStuck;
    const budget = new EventBudget();
    const writes: Write[] = [];
    for (let i = 0; i < 30; i++) {
      const event = eventsOfKill(podKill({ id: `k-${i}` }), facts, 'n1')[0];
      const write = event && budget.take(event, 0);
      if (write) writes.push(write);
    }
    writes.push(...budget.due(1_000_000));
    expect(writes.map(({ kind }) => kind)).toEqual([...Array<string>(10).fill('create'), 'count']);
    const events = [
      ...writes.map(({ event }) => event),
      ...eventsOfKill(podKill({ limit: 'node' }), facts, 'n1'),
      ...eventsOfStuck(stuck, facts, 'n1'),
    ];
    expect(events).toHaveLength(14);
    for (const event of events) expect(faults(event, 'EventsV1Event')).toEqual([]);
  });

  test('advice: a patch with the limit of a pod, and a LimitRange', () => {
    const advice = { scope: 'pod', request_bytes: 2 ** 20, limit_bytes: 2 ** 22, pod_limit_bytes: 2 ** 23 };
    const advised = {
      ...{ namespace: 'shop', workload: { kind: 'Deployment', name: 'web' }, pod: null, container: 'app', replicas: 1 },
      advice: advice as MemoryAdvice,
    } as unknown as WorkloadAdvice;
    const [patch] = patches([advised]);
    expect(patch).toMatchObject({ spec: { template: { spec: { resources: { limits: { memory: '8Mi' } } } } } });
    expect(faults(patch, 'V1Deployment', '$', true)).toEqual([]);
    expect(faults(limitRanges([advised])[0], 'V1LimitRange')).toEqual([]);
  });

  test('the patch of nodes/status with the condition of the node, when it begins and when it ends', async () => {
    const sent: { path: string; method: string | undefined; body: unknown }[] = [];
    const client = {
      request: async (path: string, { method, body }: RequestOptions) => {
        sent.push({ path, method, body });
        return {};
      },
    } as KubernetesClient;
    for (const percent of [90, 0]) {
      const averages = { avg10: percent, avg60: percent, avg300: percent, total_ns: 0 };
      const read = () => ({ some: averages, full: averages });
      await using _ = new NodeCondition({ client, node: 'n1', percent: 10, tell: () => {}, read });
    }
    expect(sent).toHaveLength(2);
    for (const { path, method, body } of sent) {
      expect([method, path]).toEqual(['PATCH', '/api/v1/nodes/n1/status']);
      // A patch may lack fields of the node, but a condition that is added by it must be whole.
      expect(faults(body, 'V1Node', '$', true)).toEqual([]);
      const [condition, ...more] = (body as { status: { conditions: unknown[] } }).status.conditions;
      expect(faults(condition, 'V1NodeCondition')).toEqual([]);
      expect(more).toEqual([]);
    }
  });

  test('a pod of the newest kind: a limit of its own, a sidecar, and a user namespace (hostUsers)', () => {
    const resources = (memory: string) => ({ requests: { memory }, limits: { memory } });
    const object = {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u' } },
      spec: {
        ...{ hostUsers: false, resources: resources('1Gi'), containers: [{ name: 'app' }] },
        initContainers: [{ name: 'proxy', restartPolicy: 'Always', resources: resources('64Mi') }],
      },
    };
    expect(faults(object, 'V1Pod')).toEqual([]);
    const pod = readPod(object);
    expect(pod && factsOf(pod, null, 'proxy')).toMatchObject({
      ...{ container_kind: 'sidecar', container_memory: { limit_bytes: 2 ** 26 } },
      ...{ pod_memory: { limit_bytes: 2 ** 30 }, pod_limit: 'own' },
    });
    // The agent itself needs the user namespace of the node: with `false` its capabilities would not let it load BPF programs.
    const agent = manifest({ namespace: 'oomscope', image: 'oomscope:0.1.0', events: true })['daemon-set'];
    expect(types.fields('V1PodSpec')?.get('hostUsers')).toEqual({ type: 'boolean', isOptional: true });
    expect(agent).not.toHaveProperty('spec.template.spec.hostUsers');
  });

  test('the fields that oomscope reads of a pod', () => {
    const reads = {
      V1PodSpec: [
        'nodeName',
        'containers',
        'initContainers',
        'ephemeralContainers',
        'resources',
        'overhead',
        'priority',
      ],
      V1Container: ['name', 'resources', 'restartPolicy'],
      V1PodStatus: ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses', 'qosClass', 'phase'],
      V1ContainerStatus: ['name', 'containerID', 'state', 'lastState'],
      V1ContainerStateTerminated: ['reason', 'exitCode', 'startedAt', 'finishedAt'],
    };
    for (const [type, names] of Object.entries(reads))
      for (const name of names) expect(types.fields(type)?.has(name), `${type}.${name}`).toBe(true);
  });
});
