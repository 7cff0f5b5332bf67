/** The agent against a real kube-apiserver with RBAC, under its own service account. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KubernetesAgent } from '../../src/kubernetes/agent.ts';
import { ApiError, KubernetesClient } from '../../src/kubernetes/client.ts';
import { EventWriter } from '../../src/kubernetes/event-writer.ts';
import { items, number, record, text } from '../../src/kubernetes/foreign.ts';
import { kustomizeFolder, manifest } from '../../src/kubernetes/manifest.ts';
import { eventsOfKill, type ObjectEvent } from '../../src/kubernetes/object-event.ts';
import { PodDirectory } from '../../src/kubernetes/pod-directory.ts';
import { PodWatch } from '../../src/kubernetes/pod-watch.ts';
import { writeYaml, writeYamlStream } from '../../src/kubernetes/yaml-write.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { ApiServer, hasApiServer } from './apiserver.ts';
import { containerId, podKill, podObject } from './kills.ts';

const NODE = 'n1';
const options = { namespace: 'oomscope', image: 'oomscope:0.1.0', events: true };

describe.skipIf(!hasApiServer)('a real kube-apiserver', () => {
  let server: ApiServer;
  const closing: (() => Promise<void> | void)[] = [];

  beforeAll(async () => {
    server = await ApiServer.start();
    const folder = mkdtempSync(join(server.directory, 'manifest-'));
    writeFileSync(join(folder, 'all.yaml'), writeYamlStream(Object.values(manifest(options))));
    server.kubectl('apply', '--filename', join(folder, 'all.yaml'));
    await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    await server.create('/api/v1/namespaces/shop/serviceaccounts', {
      ...{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'nobody' } },
    });
  }, 1_500_000);

  afterAll(async () => {
    for (const close of closing) await close();
    await server?.[Symbol.asyncDispose]();
  });

  const createPod = async (number: number, node = NODE) => {
    const created = await server.create('/api/v1/namespaces/shop/pods', podObject(number, node));
    const name = text(record(created.metadata).name) as string;
    return { name, uid: text(record(created.metadata).uid) as string };
  };

  const factsOf = ({ name, uid }: { name: string; uid: string }) =>
    ({ namespace: 'shop', pod: name, uid, container: 'app', container_kind: 'main' }) as KubernetesFacts;

  const eventsOn = async (name: string): Promise<Record<string, unknown>[]> => {
    const { items: all } = await server.admin.request('/apis/events.k8s.io/v1/namespaces/shop/events');
    return items(all)
      .map(record)
      .filter(({ regarding }) => record(regarding).name === name);
  };

  const countOf = (event: Record<string, unknown>) => number(record(event.series).count) ?? 1;

  const client = async (account = 'oomscope', namespace = 'oomscope') => {
    const { access } = await server.account(namespace, account);
    const made = new KubernetesClient(access, { env: {} });
    closing.push(() => made.close());
    return made;
  };

  test('kubectl accepts the manifest and each overlay (--dry-run=server, kustomize)', () => {
    const folder = mkdtempSync(join(server.directory, 'kustomize-'));
    for (const [path, object] of Object.entries(kustomizeFolder(options))) writeInto(folder, path, writeYaml(object));
    const base = server.kubectl('kustomize', join(folder, 'base'));
    expect(server.kubectl('apply', '--dry-run=server', '-k', join(folder, 'base'))).toContain(
      'daemonset.apps/oomscope',
    );
    const old = server.kubectl('kustomize', join(folder, 'overlays/kernel-before-5.11'));
    expect(base).not.toContain('SYS_RESOURCE');
    expect(old).toContain('- SYS_RESOURCE');
    const silent = server.kubectl('kustomize', join(folder, 'overlays/without-events'));
    expect(silent).toContain('events = false');
    expect(silent).not.toContain('events.k8s.io');
    server.kubectl('apply', '--dry-run=server', '-k', join(folder, 'overlays/without-events'));
  });

  test('the agent follows the pods of its node, and of no other, by one list and one watch', async () => {
    const first = await createPod(1);
    await createPod(2, 'n2');
    const agentClient = await client();
    const directory = new PodDirectory();
    using watch = new PodWatch({ client: agentClient, directory, node: NODE });
    await watch.ready;
    expect([...directory].map(({ name }) => name)).toEqual([first.name]);
    const second = await createPod(3);
    await server.admin.request(`/api/v1/namespaces/shop/pods/${second.name}/status`, {
      method: 'PATCH',
      body: { status: { containerStatuses: [status(3)] } },
    });
    await expect.poll(() => directory.get(second.uid)?.nameOfId.get(containerId(3)), { timeout: 5000 }).toBe('app');
    expect(agentClient.requests).toBe(2);
  });

  test('an Event is created once, a repeat is success, and kubectl shows it on the pod', async () => {
    const pod = await createPod(10);
    const writer = new EventWriter({ client: await client() });
    const [event] = eventsOfKill(podKill({ id: 'once' }), factsOf(pod), NODE) as [ObjectEvent];
    writer.offer(event);
    writer.offer(event); // the first reply was lost
    await writer.close();
    expect(writer.counts).toMatchObject({ written: 2, refused: 0, waiting: 0 });
    expect(await eventsOn(pod.name)).toMatchObject([{ reason: 'ContainerOOMKilled', note: event.note }]);
    const described = server.kubectl('describe', 'pod', pod.name, '--namespace', 'shop');
    expect(described).toMatch(/Warning +ContainerOOMKilled .* oomscope\.io\/agent +Container app was OOM-killed/);
  });

  test('the longest names and note are accepted', async () => {
    const pod = await createPod(11);
    const kill = podKill({ id: 'long', comm: 'é'.repeat(16) });
    kill.victim.cmdline = ['é'.repeat(4000)];
    const [event] = eventsOfKill(kill, factsOf(pod), 'n'.repeat(253)) as [ObjectEvent];
    expect(Buffer.byteLength(event.note)).toBeGreaterThan(1000);
    const writer = new EventWriter({ client: await client() });
    writer.offer(event);
    await writer.close();
    expect(writer.counts).toMatchObject({ written: 1, refused: 0 });
  });

  test('a kill of the system is an Event on the node as well', async () => {
    const pod = await createPod(12);
    const told: string[] = [];
    const writer = new EventWriter({ client: await client(), tell: (sentence) => told.push(sentence) });
    for (const event of eventsOfKill(podKill({ id: 'system', limit: 'node' }), factsOf(pod), NODE)) writer.offer(event);
    await writer.close();
    expect(told).toEqual([]);
    await server.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE } });
    expect(server.kubectl('describe', 'node', NODE)).toMatch(/NodeOOMKilled .* The node was out of memory/);
    expect(await eventsOn(pod.name)).toHaveLength(1);
  });

  test('without the role, the agent says which right is missing, and goes on', async () => {
    const told: string[] = [];
    const { access } = await server.account('shop', 'nobody');
    const agent = new KubernetesAgent({ access, node: NODE, events: true, tell: (sentence) => told.push(sentence) });
    closing.push(() => agent.close());
    await agent.ready;
    expect(agent.problem).toContain('cannot list resource "pods"');
    const kill = agent.enrich(podKill({ id: 'no-role' }));
    expect(kill.kubernetes).toMatchObject({ source: 'node' });
    const writer = new EventWriter({
      client: await client('nobody', 'shop'),
      pauseMs: () => 10,
      tell: (sentence) => told.push(sentence),
    });
    writer.offer(eventsOfKill(podKill({ id: 'no-role' }), factsOf({ name: 'x', uid: 'x' }), NODE)[0] as ObjectEvent);
    await writer.close();
    expect(writer.counts).toMatchObject({ written: 0, refused: 1 });
    expect(told.at(-1)).toContain('cannot create resource "events" in API group "events.k8s.io"');
  });

  test('a token that is replaced in its file is read again when the server refuses the old one', async () => {
    const { access, directory } = await server.account('oomscope', 'oomscope');
    const file = join(directory, 'token');
    const good = await server.token('oomscope', 'oomscope');
    writeFileSync(file, 'no-token');
    const own = new KubernetesClient(access, { env: {} });
    closing.push(() => own.close());
    await expect(own.request('/api/v1/pods')).rejects.toThrow(ApiError);
    writeFileSync(file, `${good}\n`);
    expect(
      items((await own.request(`/api/v1/pods?fieldSelector=spec.nodeName%3D${NODE}`)).items).length,
    ).toBeGreaterThan(0);
  });

  test('a version that the server no longer has makes the watch list again', async () => {
    const agentClient = await client();
    const gone = agentClient.lines(
      '/api/v1/pods?watch=true&resourceVersion=1&fieldSelector=spec.nodeName%3Dn1',
      AbortSignal.timeout(5000),
      5000,
      (line) => {
        throw new Error(line);
      },
    );
    // Either an ERROR line with the code 410, or the status itself.
    await expect(gone).rejects.toThrow(/410|too old|ADDED/);
  });

  test('a storm of 500 kills, with a restart of the server in its midst: each kill is told once', async () => {
    const pods = await Promise.all(Array.from({ length: 20 }, (_, i) => createPod(100 + i)));
    const agentClient = await client();
    const before = agentClient.requests;
    const told: string[] = [];
    const began = performance.now();
    const writer = new EventWriter({
      client: agentClient,
      pauseMs: () => 200,
      tell: (sentence) => told.push(sentence),
    });
    for (let i = 0; i < 500; i++) {
      const pod = pods[i % pods.length] as { name: string; uid: string };
      writer.offer(eventsOfKill(podKill({ id: `storm-${i}` }), factsOf(pod), NODE)[0] as ObjectEvent);
      if (i === 100) {
        await expect.poll(() => writer.counts.written, { timeout: 10_000 }).toBeGreaterThan(20);
        await server.down();
      }
    }
    await server.up();
    await expect.poll(() => writer.counts.waiting, { timeout: 60_000, interval: 200 }).toBe(0);
    await writer.close();
    expect(writer.counts).toMatchObject({ refused: 0, dropped: 0 });
    expect(told).toEqual(expect.arrayContaining([expect.stringContaining('Kubernetes Events wait')]));
    const counts = await Promise.all(pods.map(async ({ name }) => (await eventsOn(name)).map(countOf)));
    expect(counts.map((each) => each.reduce((sum, count) => sum + count, 0))).toEqual(pods.map(() => 25));
    const requests = agentClient.requests - before;
    const seconds = (performance.now() - began) / 1000;
    process.stdout.write(`500 kills of 20 pods: ${requests} requests in ${seconds.toFixed(1)} s\n`);
    expect(requests).toBeLessThan(450);
  }, 120_000);
});

const status = (number: number) => ({
  ...{ name: 'app', ready: false, restartCount: 1, image: 'shop/web:1', imageID: '' },
  containerID: `containerd://${containerId(number)}`,
});

function writeInto(folder: string, path: string, content: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
