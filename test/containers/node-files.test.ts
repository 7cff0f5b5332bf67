import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ContainerResolver } from '../../src/containers/container-resolver.ts';
import { parseTask } from '../../src/containers/node-files.ts';

const A = 'a1b2c3d4e5f60718'.repeat(4);
const B = '0f1e2d3c4b5a6978'.repeat(4);
const UID = '0d8a7a4e-3b1f-4c55-9d1e-5f7a2b8c9d0e';
const TASKS = 'run/containerd/io.containerd.runtime.v2.task';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oomscope-node-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, value: unknown): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), JSON.stringify(value));
}

function writeLog(pod: string, namespace: string, container: string, id: string): void {
  mkdirSync(join(root, 'var/log/containers'), { recursive: true });
  const target = `/var/log/pods/${namespace}_${pod}_${UID}/${container}/0.log`;
  symlinkSync(target, join(root, `var/log/containers/${pod}_${namespace}_${container}-${id}.log`));
}

async function open() {
  const resolver = new ContainerResolver({ sockets: [], storage: [], root });
  await resolver.start();
  return { resolver, [Symbol.dispose]: () => resolver.close() };
}

const cri = {
  annotations: {
    'io.kubernetes.cri.container-type': 'container',
    'io.kubernetes.cri.container-name': 'web',
    'io.kubernetes.cri.image-name': 'shop:1',
    'io.kubernetes.cri.sandbox-name': 'shop-1',
    'io.kubernetes.cri.sandbox-namespace': 'prod',
    'io.kubernetes.cri.sandbox-uid': UID,
  },
  linux: { cgroupsPath: `kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice:cri-containerd:${A}` },
};

test('finds the name of a Kubernetes container in its task’s configuration', async () => {
  write(`${TASKS}/k8s.io/${A}/config.json`, cri);
  using opened = await open();
  const slice = `kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice`;
  expect(
    opened.resolver.ownerOf(`/kubepods.slice/kubepods-burstable.slice/${slice}/cri-containerd-${A}.scope`),
  ).toEqual({
    unit: `cri-containerd-${A}.scope`,
    container: {
      runtime: 'containerd',
      id: A,
      name: 'web',
      image: 'shop:1',
      compose_project: null,
      compose_service: null,
    },
    pod: { uid: UID, name: 'shop-1', namespace: 'prod', qos: 'burstable' },
  });
});

test('finds the names of a container and its pod in the file name of its log, for every runtime', async () => {
  writeLog('shop-1', 'prod', 'web', A);
  using opened = await open();
  const owner = opened.resolver.ownerOf(`/kubepods/burstable/pod${UID}/crio-${A}`);
  expect(owner.container).toMatchObject({ runtime: 'cri-o', id: A, name: 'web' });
  expect(owner.pod).toEqual({ uid: UID, name: 'shop-1', namespace: 'prod', qos: 'burstable' });
  // A container without a log of its own is in a pod that has one.
  const sandbox = opened.resolver.ownerOf(`/kubepods/burstable/pod${UID}/crio-${B}`);
  expect(sandbox).toMatchObject({ container: { id: B, name: null }, pod: { name: 'shop-1', namespace: 'prod' } });
});

test('finds the name of a container started with ctr, although its cgroup path does not show that it is a container', async () => {
  write(`${TASKS}/default/web-1/config.json`, { linux: { cgroupsPath: '/default/web-1' } });
  using opened = await open();
  for (const path of ['/default/web-1', '/default/web-1/worker']) {
    expect(opened.resolver.ownerOf(path).container).toMatchObject({
      runtime: 'containerd',
      id: 'web-1',
      name: 'web-1',
    });
  }
  expect(opened.resolver.ownerOf('/default/web-12').container).toBeNull();
  expect(opened.resolver.ownerOf('/default').container).toBeNull();
});

test('finds the name of a container started with nerdctl', async () => {
  write(`${TASKS}/default/${A}/config.json`, { annotations: { 'nerdctl/name': 'web' } });
  using opened = await open();
  expect(opened.resolver.ownerOf(`/system.slice/nerdctl-${A}.scope`).container).toMatchObject({ name: 'web' });
});

test('finds the names of containers that start later, also in a containerd namespace that is created later', async () => {
  mkdirSync(join(root, TASKS), { recursive: true });
  using opened = await open();
  write(`${TASKS}/default/late/config.json`, { linux: { cgroupsPath: '/default/late' } });
  await vi.waitFor(() => expect(opened.resolver.ownerOf('/default/late').container?.name).toBe('late'), 5000);
  write(`${TASKS}/default/later/config.json`, { linux: { cgroupsPath: '/default/later' } });
  await vi.waitFor(() => expect(opened.resolver.ownerOf('/default/later').container?.name).toBe('later'), 5000);
  rmSync(join(root, TASKS, 'default', 'late'), { recursive: true });
  expect(opened.resolver.ownerOf('/default/late').container?.name).toBe('late');
});

test.each(['', '[', 'null', '[]', '{}', '{"annotations":1}', '{"linux":{"cgroupsPath":1}}'])(
  'a task with the configuration %j has no name',
  (json) => expect(parseTask(json, A)).toBeUndefined(),
);

test('finds the name of a pod in the directory of its logs', async () => {
  mkdirSync(join(root, `var/log/pods/prod_shop-1_${UID}`), { recursive: true });
  mkdirSync(join(root, 'var/log/pods/not a pod'));
  using opened = await open();
  expect(opened.resolver.ownerOf(`/kubepods/besteffort/pod${UID}`).pod).toEqual({
    ...{ uid: UID, name: 'shop-1', namespace: 'prod', qos: 'besteffort' },
  });
});
