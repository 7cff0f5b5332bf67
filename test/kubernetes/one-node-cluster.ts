/**
 * Runs in a network namespace of its own (`unshare --net`): a real kube-apiserver, which refuses to forward requests to a
 * loopback address, and the agent at another address of that namespace. It prints one JSON object for server-cluster.test.ts.
 */
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { record, text } from '../../src/kubernetes/foreign.ts';
import { manifest } from '../../src/kubernetes/manifest.ts';
import { writeYamlStream } from '../../src/kubernetes/yaml-write.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { ended, MAIN, oomscope } from '../cli/cli.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from '../kernel/memcg.ts';
import { ApiServer } from './apiserver.ts';
import { fakeKubelet } from './fake-kubelet.ts';
import { containerId, podObject } from './kills.ts';

/** TEST-NET-1 of RFC 5737. */
const ADDRESS = '192.0.2.1';
const NODE = 'n1';
const options = { namespace: 'oomscope', image: 'oomscope:0.1.0', events: true };

execFileSync('ip', ['link', 'set', 'lo', 'up']);
execFileSync('ip', ['address', 'add', `${ADDRESS}/32`, 'dev', 'lo']);
const server = await ApiServer.start();
const rule = (...rules: object[]) => ({ apiVersion: 'rbac.authorization.k8s.io/v1', rules });
try {
  const all = join(server.directory, 'all.yaml');
  writeFileSync(all, writeYamlStream(Object.values(manifest(options))));
  server.kubectl('apply', '--filename', all);
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  const pod = await server.create('/api/v1/namespaces/shop/pods', podObject(1, NODE));
  const uid = text(record(pod.metadata).uid) ?? '';
  const running = (path: string, status: object) =>
    server.admin.request(`${path}/status`, { method: 'PATCH', body: { status: { phase: 'Running', ...status } } });
  await running(`/api/v1/namespaces/shop/pods/${text(record(pod.metadata).name)}`, {
    containerStatuses: [
      {
        ...{ name: 'app', ready: true, restartCount: 0, image: 'shop/web:1', imageID: '' },
        containerID: `containerd://${containerId(1)}`,
      },
    ],
  });
  const group = createMemoryGroup({ limitBytes: 256 * MIB, name: `kubepods-oomscope-${process.pid}` });
  const own = group.child(`pod${uid}`).child(containerId(1), 64 * MIB);
  const hog = startHog(own, ['--hold', '40M']);
  await hog.ready;
  const kubelet = await withoutAgents({ name: text(record(pod.metadata).name) ?? '', uid, cgroup: own.cgroupPath });
  // What the controller of DaemonSets, the scheduler and a kubelet would do. On the node n2 nothing listens.
  for (const [node, address] of [
    [NODE, ADDRESS],
    ['n2', '192.0.2.2'],
  ] as const) {
    const path = '/api/v1/namespaces/oomscope/pods';
    const { metadata, spec } = record(record(record(manifest(options)['daemon-set']).spec).template);
    const { labels } = record(metadata);
    const body = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `agent-${node}`, labels },
      spec: { ...record(spec), nodeName: node, priorityClassName: undefined },
    };
    await server.create(path, body);
    await running(`${path}/agent-${node}`, { podIP: address, podIPs: [{ ip: address }] });
  }
  const file = join(server.directory, 'run.toml');
  const account = await server.kubeconfigOf('oomscope', 'oomscope');
  writeFileSync(
    file,
    `[pressure]\nenabled = false\n[metrics]\nlisten = "${ADDRESS}:9836"\npublic = true\n[kubernetes]\nevents = false\nnode = "${NODE}"\nkubeconfig = "${account}"\n`,
  );
  const agent = spawn(process.execPath, [MAIN, 'run', '--config', file, '--json'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const end = ended(agent);
  try {
    for (
      let i = 0;
      i < 300 &&
      !(await fetch(`http://${ADDRESS}:9836/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ));
      i++
    )
      await sleep(100);
    const words = ['k8s', 'top', '--cluster', '--sample', '200ms', '--kubeconfig'];
    const viewer = 'viewer';
    await server.create('/api/v1/namespaces/shop/serviceaccounts', {
      ...{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: viewer } },
    });
    const nobody = await server.kubeconfigOf('shop', viewer);
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/oomscope';
    const denied = await oomscope([...words, nobody]);
    await server.create(`${rbac}/roles`, {
      ...rule({ apiGroups: [''], resources: ['pods'], verbs: ['list'] }),
      ...{ kind: 'Role', metadata: { name: viewer } },
    });
    await server.create(`${rbac}/rolebindings`, {
      ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: viewer } },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: viewer },
      subjects: [{ kind: 'ServiceAccount', name: viewer, namespace: 'shop' }],
    });
    await sleep(500);
    const half = await oomscope([...words, nobody, '--node', NODE]);
    await server.admin.request(`${rbac}/roles/${viewer}`, {
      method: 'PATCH',
      body: rule(
        { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
        { apiGroups: [''], resources: ['pods/proxy'], verbs: ['get'] },
      ),
    });
    await sleep(500);
    const json = await oomscope([...words, nobody, '--json']);
    const plain = await oomscope([...words, nobody, '--node', NODE]);
    const advised = await oomscope(['k8s', 'recommend', ...words.slice(2), nobody, '--json']);
    const none = await oomscope([...words, nobody, '--node', 'n9']);
    process.stdout.write(JSON.stringify({ uid, kubelet, advised, denied, half, json, plain, none }));
  } finally {
    agent.kill('SIGTERM');
    await end;
  }
} finally {
  removeMemoryGroups();
  await server[Symbol.asyncDispose]();
}

/** `k8s top --cluster` of a user while no agent runs: without and with the rights to ask the kubelet. */
async function withoutAgents(pod: { name: string; uid: string; cgroup: string }) {
  const cgroups = Cgroupfs.find();
  if (!cgroups) throw new Error('no memory cgroups are mounted');
  using fake = await fakeKubelet(server, {
    ...{ node: NODE, address: ADDRESS, cgroups },
    pods: [{ ...pod, namespace: 'shop' }],
  });
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'reader' } };
  await server.create('/api/v1/namespaces/shop/serviceaccounts', account);
  const user = await server.kubeconfigOf('shop', 'reader');
  const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
  const lists = { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['list'] };
  await server.create(roles, { ...rule(lists), kind: 'ClusterRole', metadata: { name: 'reader' } });
  await server.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'reader' } },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
    subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'shop' }],
  });
  await sleep(500);
  const words = ['k8s', 'top', '--cluster', '--kubeconfig', user];
  const denied = await oomscope(words);
  const proxy = { apiGroups: [''], resources: ['nodes/proxy'], verbs: ['get'] };
  await server.admin.request(`${roles}/reader`, { method: 'PATCH', body: rule(lists, proxy) });
  await sleep(500);
  const json = await oomscope([...words, '--json']);
  const plain = await oomscope(words);
  return { denied, json, plain, asked: fake.asked };
}
