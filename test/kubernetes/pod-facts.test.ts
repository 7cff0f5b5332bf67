import { expect, test } from 'vitest';
import { PodDirectory } from '../../src/kubernetes/pod-directory.ts';
import { factsOf, readPod } from '../../src/kubernetes/pod-facts.ts';
import { parseQuantity, writeQuantity } from '../../src/kubernetes/quantity.ts';
import { containerId, podKill, podObject, podUid } from './kills.ts';

const MIB = 2 ** 20;

function podWith(spec: object, metadata: object = {}, status: object = {}) {
  const pod = readPod({ metadata: { uid: podUid(1), name: 'p', namespace: 'n', ...metadata }, spec, status });
  if (!pod) throw new Error('expected a pod');
  return pod;
}
const container = (name: string, request?: string, limit?: string) => ({
  name,
  resources: { ...(request && { requests: { memory: request } }), ...(limit && { limits: { memory: limit } }) },
});

test.each([
  ['128Mi', 128 * MIB],
  ['1.5Gi', 1536 * MIB],
  ['129M', 129_000_000],
  ['1e3', 1000],
  ['128974848', 128_974_848],
  ['400m', 1],
  [1024, 1024],
  ['', null],
  ['12 Mi', null],
  ['-1Mi', null],
  ['9999999Ei', null],
])('the quantity %s is %s bytes', (written, bytes) => expect(parseQuantity(written)).toBe(bytes));

test('a number of bytes is written as the shortest quantity', () => {
  expect([384 * MIB, 2 ** 31, 1000, 0].map(writeQuantity)).toEqual(['384Mi', '2Gi', '1000', '0']);
});

test('a pod has its Deployment as workload, its class, and the memory of container and pod', () => {
  const pod = readPod({
    ...podObject(7, 'n1'),
    metadata: { ...(podObject(7, 'n1').metadata as object), uid: podUid(7) },
  });
  expect(pod && factsOf(pod, null, 'app')).toMatchObject({
    ...{ source: 'api', namespace: 'shop', container: 'app', container_kind: 'main', node: 'n1' },
    owners: [
      { kind: 'ReplicaSet', name: 'web-6d4cf56db6' },
      { kind: 'Deployment', name: 'web' },
    ],
    workload: { kind: 'Deployment', name: 'web' },
    container_memory: { request_bytes: 256 * MIB, limit_bytes: 512 * MIB },
    pod_memory: { request_bytes: 256 * MIB, limit_bytes: 512 * MIB },
  });
});

test('a ReplicaSet without the label of a Deployment, and a Job, are the workload themselves', () => {
  const owned = (kind: string, name: string) =>
    podWith({ containers: [] }, { ownerReferences: [{ kind, name, controller: true }] }).owners;
  expect(owned('ReplicaSet', 'web-6d4cf56db6')).toEqual([{ kind: 'ReplicaSet', name: 'web-6d4cf56db6' }]);
  expect(owned('Job', 'backup-28123456')).toEqual([{ kind: 'Job', name: 'backup-28123456' }]);
});

test('init containers, sidecars and ephemeral containers are told apart', () => {
  const pod = podWith({
    containers: [{ name: 'app' }],
    initContainers: [{ name: 'migrate' }, { name: 'proxy', restartPolicy: 'Always' }],
    ephemeralContainers: [{ name: 'debug' }],
  });
  const kinds = Object.fromEntries(pod.containers.map(({ name, kind }) => [name, kind]));
  expect(kinds).toEqual({ app: 'main', migrate: 'init', proxy: 'sidecar', debug: 'ephemeral' });
});

test('the memory of a pod counts sidecars with the main containers, and an init container only if it needs more', () => {
  const sidecar = { ...container('proxy', '100Mi', '100Mi'), restartPolicy: 'Always' };
  const { memory } = podWith({
    containers: [container('a', '100Mi', '200Mi'), container('b', '50Mi', '50Mi')],
    initContainers: [sidecar, container('migrate', '300Mi', '300Mi')],
    overhead: { memory: '10Mi' },
  });
  expect(memory).toEqual({ request_bytes: 410 * MIB, limit_bytes: 410 * MIB });
});

test('a pod has no limit if one of its containers has none, and its own limit wins', () => {
  const containers = [container('a', '100Mi', '200Mi'), container('b', '50Mi')];
  expect(podWith({ containers }).memory).toEqual({ request_bytes: 150 * MIB, limit_bytes: null });
  expect(podWith({ containers, resources: { limits: { memory: '1Gi' } } }).memory).toEqual({
    ...{ request_bytes: 1024 * MIB, limit_bytes: 1024 * MIB },
  });
});

test('the limit of a pod is its own, the sum of those of its containers, or missing', () => {
  const limitOf = (spec: object) => factsOf(podWith(spec), null, null).pod_limit;
  const containers = [container('a', '100Mi', '200Mi')];
  expect(limitOf({ containers })).toBe('sum');
  expect(limitOf({ containers, resources: { limits: { memory: '1Gi' } } })).toBe('own');
  expect(limitOf({ containers: [...containers, container('b', '50Mi')] })).toBeNull();
});

test('a static pod is found by the hash that its cgroups have', () => {
  const hash = '0123456789abcdef0123456789abcdef';
  const directory = new PodDirectory();
  directory.set(podWith({ containers: [] }, { annotations: { 'kubernetes.io/config.mirror': hash } }));
  const owner = { unit: null, container: null, pod: { uid: hash, name: null, namespace: null, qos: null } };
  expect(directory.factsOf(owner)).toMatchObject({ source: 'api', pod: 'p', uid: podUid(1) });
});

test('the container is known by its id, also by the id of the last one, and a deleted pod stays known', () => {
  const directory = new PodDirectory();
  const status = {
    containerStatuses: [
      {
        name: 'app',
        containerID: `containerd://${containerId(2)}`,
        lastState: { terminated: { containerID: `containerd://${containerId(1)}` } },
      },
    ],
  };
  const pod = podWith({ containers: [container('app', '1Mi')] }, {}, status);
  directory.set(pod);
  expect(directory.factsOf(podKill({ pod: 1 }).victim)).toMatchObject({ container: 'app', container_kind: 'main' });
  directory.remove(pod);
  expect(directory.size).toBe(0);
  expect(directory.factsOf(podKill({ pod: 1 }).victim)).toMatchObject({ container: 'app', pod: 'p' });
});

test('a pod that the API does not know has what the node knows', () => {
  expect(new PodDirectory().factsOf(podKill({ pod: 3 }).victim)).toMatchObject({
    ...{ source: 'node', uid: podUid(3), qos: 'burstable', pod: null, container_memory: null },
  });
});

test('values of an unexpected type are left out, and 2,000 containers do no harm', () => {
  expect(readPod({ metadata: { uid: 1, name: 'p', namespace: 'n' } })).toBeUndefined();
  expect(readPod(null)).toBeUndefined();
  const many = podWith({ containers: Array.from({ length: 2000 }, (_, i) => container(`c${i}`)), initContainers: 'x' });
  expect(many.containers).toHaveLength(1000);
  expect(podWith({ containers: [1, null, { name: {} }], priority: 'x' }).priority).toBeNull();
});
