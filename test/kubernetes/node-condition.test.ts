/** The condition of the node: when it changes, and what a real kube-apiserver makes of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KubernetesClient } from '../../src/kubernetes/client.ts';
import { items, record } from '../../src/kubernetes/foreign.ts';
import { manifest } from '../../src/kubernetes/manifest.ts';
import { isContended, NodeCondition } from '../../src/kubernetes/node-condition.ts';
import { ApiServer, hasApiServer } from './apiserver.ts';

test('begins when both averages reach the threshold, and ends when that of 60 s is below it', () => {
  const averages = [
    [30, 5],
    [5, 10],
    [10, 10],
    [0, 12],
    [0, 10],
    [50, 9.9],
    [9, 11],
  ] as const;
  let before = false;
  const states = averages.map(([avg10, avg60]) => {
    before = isContended(before, { avg10, avg60 }, 10);
    return before;
  });
  expect(states).toEqual([false, false, true, true, true, false, false]);
});

describe.skipIf(!hasApiServer)('at a real kube-apiserver', () => {
  let server: ApiServer;
  beforeAll(async () => {
    server = await ApiServer.start();
  }, 1_500_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  test('is written with the rule of the manifest, beside the conditions of the kubelet, and once for each change', async () => {
    await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'oomscope' } });
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'oomscope' } };
    await server.create('/api/v1/namespaces/oomscope/serviceaccounts', account);
    await server.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'ready' };
    await server.admin.request('/api/v1/nodes/n1/status', {
      method: 'PATCH',
      body: { status: { conditions: [ready] } },
    });
    const { access } = await server.account('oomscope', 'oomscope');
    const client = new KubernetesClient(access, { env: {} });
    const told: string[] = [];
    let percent = 0;
    let now = Date.parse('2026-11-28T12:00:00Z');
    const averages = () => ({ avg10: percent, avg60: percent, avg300: 0, total_ns: 0 });
    const condition = new NodeCondition({
      ...{ client, node: 'n1', percent: 10, tell: (sentence: string) => told.push(sentence), everyMs: 20 },
      ...{ read: () => ({ some: averages(), full: averages() }), now: () => now },
    });
    const conditions = async () => {
      const { status } = await server.admin.request('/api/v1/nodes/n1');
      return items(record(status).conditions).map(record);
    };
    const ours = async () => (await conditions()).find(({ type }) => type === 'MemoryContention');
    try {
      await expect.poll(() => told, { timeout: 10_000 }).toHaveLength(1);
      expect(told[0]).toContain('lacks the rule {apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"]}');
      const objects = manifest({ namespace: 'oomscope', image: 'oomscope:1', events: true, nodeCondition: true });
      const rbac = '/apis/rbac.authorization.k8s.io/v1';
      await server.create(`${rbac}/clusterroles`, objects['cluster-role'] as object);
      await server.create(`${rbac}/clusterrolebindings`, objects['cluster-role-binding'] as object);
      // The server needs a moment for the role; after a refusal the agent waits for five minutes.
      const later = () => {
        now += 300_000;
        return ours();
      };
      await expect.poll(later, { timeout: 10_000, interval: 200 }).toMatchObject({ status: 'False' });
      percent = 25;
      now += 1000;
      const since = `${new Date(now).toISOString().slice(0, 19)}Z`;
      await expect.poll(ours, { timeout: 10_000 }).toMatchObject({
        ...{ status: 'True', reason: 'TasksWaitForMemory', lastTransitionTime: since },
        message: 'No task could run for lack of memory in 25 % of 10 s and 25 % of 60 s; the threshold is 10 %.',
      });
      expect(await conditions()).toContainEqual(expect.objectContaining(ready));
      const { requests } = client;
      await new Promise((resolve) => setTimeout(resolve, 300)); // some 15 looks
      expect(client.requests).toBe(requests);
      now += 300_000;
      const beat = `${new Date(now).toISOString().slice(0, 19)}Z`;
      await expect
        .poll(ours, { timeout: 10_000 })
        .toMatchObject({ status: 'True', lastHeartbeatTime: beat, lastTransitionTime: since });
      percent = 0;
      await expect.poll(ours, { timeout: 10_000 }).toMatchObject({ status: 'False', reason: 'NoMemoryContention' });
      expect(told).toHaveLength(1);
    } finally {
      await condition[Symbol.asyncDispose]();
      client.close();
    }
  }, 90_000);
});
