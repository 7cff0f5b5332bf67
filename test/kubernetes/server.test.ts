/** The agent against a real kube-apiserver with RBAC, under its own service account. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KubernetesAgent } from '../../src/kubernetes/agent.ts';
import { ApiError, KubernetesClient } from '../../src/kubernetes/client.ts';
import type { Check } from '../../src/kubernetes/cluster-check.ts';
import { EventWriter } from '../../src/kubernetes/event-writer.ts';
import { items, number, record, text } from '../../src/kubernetes/foreign.ts';
import { helmChart } from '../../src/kubernetes/helm-chart.ts';
import { kustomizeFolder } from '../../src/kubernetes/kustomize.ts';
import { manifest } from '../../src/kubernetes/manifest.ts';
import type { PodContainer } from '../../src/kubernetes/node-containers.ts';
import { eventsOfKill, type ObjectEvent } from '../../src/kubernetes/object-event.ts';
import { PodDirectory } from '../../src/kubernetes/pod-directory.ts';
import type { PodKill } from '../../src/kubernetes/pod-kills.ts';
import { PodWatch } from '../../src/kubernetes/pod-watch.ts';
import type { WorkloadAdvice } from '../../src/kubernetes/workload-advice.ts';
import { parseYaml } from '../../src/kubernetes/yaml.ts';
import { writeYaml, writeYamlStream } from '../../src/kubernetes/yaml-write.ts';
import type { Event } from '../../src/model/events.ts';
import type { GuardPlan } from '../../src/model/guard.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { ended, MAIN, oomscope } from '../cli/cli.ts';
import { createMemoryGroup, MIB, oomKill, oomKillsUnavailable, removeMemoryGroups, startHog } from '../kernel/memcg.ts';
import { schemaErrors } from '../schema.ts';
import { ApiServer, hasApiServer } from './apiserver.ts';
import { rendered } from './go-template.ts';
import { containerId, podKill, podObject } from './kills.ts';
import { limitRequests } from './limit-requests.ts';

type Named = { name: string; uid: string };

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
    expect(silent).toContain('oomscope.io/configuration: events=false');
    expect(silent).not.toContain('events.k8s.io');
    server.kubectl('apply', '--dry-run=server', '-k', join(folder, 'overlays/without-events'));
  });

  test('kubectl accepts what the Helm chart renders (--dry-run=server)', async () => {
    const chart = helmChart(options);
    const values = record(parseYaml(chart['values.yaml'] ?? ''));
    const file = join(server.directory, 'chart.yaml');
    writeFileSync(file, await rendered(chart, { namespace: 'default', values }));
    const said = server.kubectl('apply', '--dry-run=server', '--filename', file);
    const named = ['clusterrole.rbac.authorization.k8s.io', 'clusterrolebinding.rbac.authorization.k8s.io'];
    const kinds = [...named, 'configmap', 'daemonset.apps', 'namespace', 'serviceaccount'];
    expect(said.trim().split('\n').sort()).toEqual(kinds.map((kind) => `${kind}/oomscope unchanged (server dry run)`));
  });

  test('kubectl accepts the PodMonitor, where its kind is known', async () => {
    // The real definition of the operator cannot be had here; this one has the fields that the manifest uses, and no others.
    await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', podMonitorDefinition);
    const file = join(server.directory, 'pod-monitor.yaml');
    const written = await oomscope(['k8s', 'manifest', '--pod-monitor']);
    writeFileSync(file, written.stdout);
    const apply = () => server.kubectl('apply', '--dry-run=server', '--filename', file);
    await expect
      .poll(() => server.kubectl('api-resources'), { timeout: 15_000, interval: 500 })
      .toContain('podmonitors');
    expect(apply()).toContain('podmonitor.monitoring.coreos.com/oomscope created');
    writeFileSync(file, written.stdout.replace('podMetricsEndpoints:', 'endpoints:'));
    expect(apply).toThrow(/podMetricsEndpoints/);
  }, 60_000);

  test('the agent follows the pods of its node, and of no other, by one list and one watch', async () => {
    const node = 'followed'; // the other tests put no pod there
    const first = await createPod(1, node);
    await createPod(2, 'n2');
    const agentClient = await client();
    const directory = new PodDirectory();
    using watch = new PodWatch({ client: agentClient, directory, node });
    await watch.ready;
    expect([...directory].map(({ name }) => name)).toEqual([first.name]);
    const second = await createPod(3, node);
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
    const kill = podKill({ id: 'long', limit: 'ancestor' });
    if (kill.limit) kill.limit.path = `/${'é'.repeat(2000)}`;
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

  test('the server limits requests (429, Retry-After): the agent waits as long as told, and no kill is lost', async () => {
    const pods = await Promise.all(Array.from({ length: 8 }, (_, i) => createPod(80 + i)));
    await using limit = await limitRequests(server, 'oomscope', 'oomscope');
    const asked = await client();
    const refused = await asked.request('/api/v1/pods?limit=1').catch((error: Error) => error);
    expect(refused).toMatchObject({ status: 429, retryAfterMs: 1000 });
    const told: string[] = [];
    const writer = new EventWriter({ client: asked, pauseMs: () => 0, tell: (sentence) => told.push(sentence) });
    const watched = await client();
    const directory = new PodDirectory();
    using watch = new PodWatch({
      client: watched,
      directory,
      node: NODE,
      pauseMs: () => 0,
    });
    const began = performance.now();
    const before = asked.requests;
    for (const [i, pod] of pods.entries()) {
      writer.offer(eventsOfKill(podKill({ id: `limited-${i}` }), factsOf(pod), NODE)[0] as ObjectEvent);
    }
    await watch.ready;
    await sleep(2500);
    expect(writer.counts).toMatchObject({ written: 0, refused: 0, dropped: 0, waiting: 8 });
    expect(directory.size).toBe(0);
    const seconds = (performance.now() - began) / 1000;
    // A request, and after each Retry-After of 1 s another one.
    expect(asked.requests - before).toBeLessThanOrEqual(seconds + 1);
    expect(watched.requests).toBeLessThanOrEqual(seconds + 1);
    expect(told.filter((sentence) => sentence.startsWith('Kubernetes Events wait: 429 '))).toHaveLength(1);
    await limit.lift();
    await expect.poll(() => directory.size, { timeout: 20_000 }).toBeGreaterThanOrEqual(pods.length);
    await expect.poll(() => writer.counts, { timeout: 20_000 }).toMatchObject({ written: 8, waiting: 0 });
    await writer.close();
    for (const { name } of pods) expect((await eventsOn(name)).map(countOf)).toEqual([1]);
  }, 90_000);

  test('without the right to write Events, the missing rule is told once for all kills and namespaces', async () => {
    const told: string[] = [];
    const denied = await client('nobody', 'shop');
    const writer = new EventWriter({ client: denied, pauseMs: () => 1, tell: (sentence) => told.push(sentence) });
    for (let i = 0; i < 6; i++) {
      const facts = { ...factsOf({ name: `x-${i}`, uid: `x-${i}` }), namespace: i % 2 ? 'shop' : 'default' };
      writer.offer(eventsOfKill(podKill({ id: `denied-${i}` }), facts, NODE)[0] as ObjectEvent);
    }
    await expect.poll(() => writer.counts.refused, { timeout: 10_000 }).toBe(6);
    await writer.close();
    const lacks = `The agent's role lacks the rule {apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"]}.`;
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(lacks);
    expect(denied.requests).toBe(10); // five attempts for each namespace, and none for the other kills there
  });

  test('a token that is replaced in its file is read again when the server refuses the old one', async () => {
    const { access, directory } = await server.account('oomscope', 'oomscope');
    const file = join(directory, 'token');
    await createPod(20);
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
    await createPod(21);
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

  test('`k8s check` says what the agent may do, and what an account without the role may not', async () => {
    await createPod(22);
    const cluster = (account: string) => ['--kubeconfig', account, '--node', NODE, '--json'];
    const checked = async (account: string) => {
      const { stdout } = await oomscope(['k8s', 'check', ...cluster(account)]);
      return Object.fromEntries((JSON.parse(stdout) as Check[]).map(({ name, state }) => [name, state]));
    };
    expect(await checked(await server.kubeconfigOf('oomscope', 'oomscope'))).toMatchObject({
      ...{ api: 'ok', 'list pods': 'ok', 'watch pods': 'ok', node: 'ok' },
      ...{ 'create events.events.k8s.io': 'ok', 'patch events.events.k8s.io': 'ok' },
    });
    expect(await checked(await server.kubeconfigOf('shop', 'nobody'))).toMatchObject({
      ...{ api: 'ok', 'list pods': 'missing', 'create events.events.k8s.io': 'missing', node: 'unknown' },
    });
  });

  test('`k8s events` judges statuses as Kubernetes reports them, beside the Events', async () => {
    const pods = [await createPod(50), await createPod(51), await createPod(52), await createPod(53)];
    const [killed, stopped, , probed] = pods as [Named, Named, Named, Named];
    const writer = new EventWriter({ client: await client() });
    const now = Date.now();
    const at = (ms: number) => new Date(now + ms).toISOString().replace('Z', '000000Z');
    const seconds = (ms: number) => `${at(ms).slice(0, 19)}Z`;
    const ends = async ({ name }: Named, exitCode: number, finishedMs: number) => {
      const end = { exitCode, reason: 'OOMKilled', startedAt: seconds(-7_200_000), finishedAt: seconds(finishedMs) };
      const body = { status: { containerStatuses: [{ ...status(50), lastState: { terminated: end } }] } };
      await server.admin.request(`/api/v1/namespaces/shop/pods/${name}/status`, { method: 'PATCH', body });
    };
    const kill = (pod: Named, id: string, isMain: boolean, ms: number) =>
      writer.offer(eventsOfKill(podKill({ id, isMain, time: at(ms) }), factsOf(pod), NODE)[0] as ObjectEvent);
    kill(killed, 'judged-1', true, -10_000);
    await ends(killed, 137, -10_000);
    kill(stopped, 'judged-2', false, -3_600_000);
    await ends(stopped, 143, -10_000);
    await ends(pods[2] as Named, 137, -10_000);
    kill(probed, 'judged-3', false, -3_600_000);
    await ends(probed, 137, -10_000);
    // As a kubelet writes it, by the core API.
    await server.create('/api/v1/namespaces/shop/events', {
      ...{ apiVersion: 'v1', kind: 'Event', metadata: { name: `${probed.name}.1`, namespace: 'shop' } },
      involvedObject: {
        ...{ apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: probed.name, uid: probed.uid },
        fieldPath: 'spec.containers{app}',
      },
      ...{ reason: 'Killing', type: 'Normal', message: 'Container app failed liveness probe, will be restarted' },
      ...{
        firstTimestamp: seconds(-40_000),
        lastTimestamp: seconds(-40_000),
        count: 1,
        source: { component: 'kubelet' },
      },
    });
    await writer.close();
    expect(writer.counts).toMatchObject({ written: 3, refused: 0 });
    const { stdout, stderr } = await oomscope([
      'k8s',
      'events',
      '--namespace',
      'shop',
      '--kubeconfig',
      server.kubeconfig,
      '--json',
    ]);
    expect(stderr).toBe('');
    const rows = (JSON.parse(stdout) as PodKill[]).filter(({ pod }) => pods.some(({ name }) => name === pod));
    expect(rows.filter(({ source }) => source === 'kill')).toHaveLength(3);
    const verdicts = new Map(
      rows.filter(({ source }) => source === 'status').map(({ pod, verdict }) => [pod, verdict]),
    );
    expect(pods.map(({ name }) => verdicts.get(name))).toEqual(['true', 'false', 'unknown', 'false']);
    expect(rows.find(({ pod, source }) => pod === probed.name && source === 'status')?.message).toContain(
      'The kubelet had it ended: "Container app failed liveness probe, will be restarted".',
    );
  });

  test('`k8s events --watch` shows a kill, and the end of its container as judged, when they happen', async () => {
    const pod = await createPod(55);
    const words = ['k8s', 'events', '--watch', '-n', 'shop', '--since', '1s', '--json'];
    const child = spawn(process.execPath, [MAIN, ...words, '--kubeconfig', server.kubeconfig], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = ended(child);
    const rows: PodKill[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => rows.push(JSON.parse(line) as PodKill));
    const of = (source: PodKill['source']) => rows.filter((row) => row.pod === pod.name && row.source === source);
    const writer = new EventWriter({ client: await client() });
    try {
      // Each kill has a name of its own, so that one is seen once the watch has begun.
      let id = 0;
      const kill = () => {
        const time = new Date().toISOString().replace('Z', '000000Z');
        writer.offer(eventsOfKill(podKill({ id: `watched-${id++}`, time }), factsOf(pod), NODE)[0] as ObjectEvent);
        return of('kill').length;
      };
      await expect.poll(kill, { timeout: 15_000, interval: 500 }).toBeGreaterThan(0);
      const seconds = `${new Date().toISOString().slice(0, 19)}Z`;
      const terminated = { exitCode: 137, reason: 'OOMKilled', startedAt: '2026-01-01T00:00:00Z', finishedAt: seconds };
      const body = { status: { containerStatuses: [{ ...status(55), lastState: { terminated } }] } };
      await server.admin.request(`/api/v1/namespaces/shop/pods/${pod.name}/status`, { method: 'PATCH', body });
      await expect.poll(() => of('status'), { timeout: 15_000 }).toMatchObject([{ verdict: 'true', exit_code: 137 }]);
    } finally {
      child.kill('SIGTERM');
      await writer.close();
    }
    expect(await end).toMatchObject({ code: 0, stderr: '' });
    const told = of('kill').map(({ time, count }) => `${time} ${count}`);
    expect(new Set(told).size).toBe(told.length);
  }, 60_000);

  test('a wrong namespace, a wrong context and a missing right are a sentence each', async () => {
    const events = (...words: string[]) => oomscope(['k8s', 'events', '--kubeconfig', server.kubeconfig, ...words]);
    expect(await events('--namespace', 'shpo')).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('There is no namespace "shpo". Did you mean "shop"?') },
    });
    expect(await events('--context', 'tets')).toMatchObject({
      ...{ code: 65, stderr: expect.stringContaining('there is no context "tets". Did you mean "test"?') },
    });
    const nobody = await oomscope(['k8s', 'events', '--kubeconfig', await server.kubeconfigOf('shop', 'nobody')]);
    expect(nobody).toMatchObject({ code: 77, stderr: expect.stringContaining('cannot list resource "events"') });
  });

  test.skipIf(oomKillsUnavailable())(
    '`run` names the pod of a real kill at the limit of the pod, and writes its Event',
    async () => {
      const pod = await createPod(60);
      const id = containerId(60);
      const body = { status: { containerStatuses: [status(60)] } };
      await server.admin.request(`/api/v1/namespaces/shop/pods/${pod.name}/status`, { method: 'PATCH', body });
      const file = join(server.directory, 'run.toml');
      const account = await server.kubeconfigOf('oomscope', 'oomscope');
      writeFileSync(file, `[pressure]\nenabled = false\n[kubernetes]\nnode = "${NODE}"\nkubeconfig = "${account}"\n`);
      const child = spawn(process.execPath, [MAIN, 'run', '--config', file, '--json'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const end = ended(child);
      const group = createMemoryGroup({ limitBytes: 256 * MIB, name: `kubepods-oomscope-${process.pid}` });
      try {
        await new Promise<void>((resolve) => {
          child.stderr.on('data', (said: Buffer) => said.includes('pods on the node') && resolve());
          void end.then(() => resolve());
        });
        const podGroup = group.child(`pod${pod.uid}`, 64 * MIB);
        await oomKill({ group: podGroup.child(id) });
        await expect
          .poll(async () => await eventsOn(pod.name), { timeout: 15_000 })
          .toMatchObject([
            {
              reason: 'ProcessOOMKilled',
              note: expect.stringContaining('Scope: pod. The pod reached its limit of 64 MiB'),
            },
          ]);
      } finally {
        child.kill('SIGTERM');
        removeMemoryGroups();
      }
      const { stdout } = await end;
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Event);
      const kill = events.find((event) => event.type === 'oom.kill' && event.kubernetes?.uid === pod.uid);
      expect(kill?.kubernetes).toMatchObject({
        ...{
          source: 'api',
          pod: pod.name,
          container: 'app',
          workload: { kind: 'Deployment', name: 'web' },
          node: NODE,
        },
        container_memory: { request_bytes: 256 * MIB, limit_bytes: 512 * MIB },
      });
      expect(kill && schemaErrors(kill)).toEqual([]);
      const reaped = events.find((event) => event.type === 'oom.reaped' && event.kill_id === kill?.id);
      expect(reaped?.kubernetes).toMatchObject({ pod: pod.name });
    },
    60_000,
  );

  test.skipIf(oomKillsUnavailable())(
    '`run` with a guard chooses the pod that the kubelet would evict first, by requests and priorities from the API',
    async () => {
      // The larger one is within its request of 256 MiB, as podObject() has it.
      const within = await createPod(61);
      const body = podObject(62, NODE);
      const [container] = items(record(body.spec).containers).map(record);
      if (container) container.resources = { requests: { memory: '10Mi' } };
      const { metadata } = await server.create('/api/v1/namespaces/shop/pods', body);
      const above = { name: text(record(metadata).name) as string, uid: text(record(metadata).uid) as string };
      const group = createMemoryGroup({ limitBytes: 256 * MIB, name: `kubepods-oomscope-${process.pid}-guard` });
      for (const [pod, number, size] of [[within, 61, '60M'] as const, [above, 62, '40M'] as const]) {
        const patch = { status: { containerStatuses: [status(number)] } };
        await server.admin.request(`/api/v1/namespaces/shop/pods/${pod.name}/status`, { method: 'PATCH', body: patch });
        await startHog(group.child(`pod${pod.uid}`).child(containerId(number)), ['--hold', size]).ready;
      }
      const account = await server.kubeconfigOf('oomscope', 'oomscope');
      const file = join(server.directory, 'guard.toml');
      const rule = `[[guard.rule]]\nname = "full"\non = "${group.cgroupPath}"\nwhen = ["usage >= 1M"]\nsteps = [{ do = "kill" }]\n`;
      const kubernetes = `[kubernetes]\nevents = false\nnode = "${NODE}"\nkubeconfig = "${account}"\n`;
      writeFileSync(file, `[trace]\nenabled = false\n[pressure]\nenabled = false\n${kubernetes}[guard]\n${rule}`);
      const child = spawn(process.execPath, [MAIN, 'run', '--config', file, '--json'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const end = ended(child);
      try {
        // Until the pods are known, nothing may be killed; a dry run then announces its plan once a minute.
        const plan = await new Promise<GuardPlan>((resolve, reject) => {
          createInterface({ input: child.stdout }).on('line', (line) => {
            const event = JSON.parse(line) as Event;
            if (event.type === 'guard.plan') resolve(event);
          });
          void end.then(({ stderr }) => reject(new Error(stderr)));
        });
        expect(plan).toMatchObject({ mode: 'dry_run', victim: { pod: { uid: above.uid } } });
        expect(plan.kubernetes).toMatchObject({ pod: above.name, pod_memory: { request_bytes: 10 * MIB } });
        expect(plan.candidates.map(({ target }) => target.pod?.uid)).toEqual([above.uid, within.uid]);
        expect(plan.candidates[0]?.adjusted_by.join()).toMatch(/above its request of 10 MiB, priority 0$/);
      } finally {
        child.kill('SIGTERM');
        await end;
        removeMemoryGroups();
      }
      expect((await end).stderr).toContain('on this node of Kubernetes: kills no kubelet');
    },
    60_000,
  );

  test.skipIf(oomKillsUnavailable())('`k8s top` and `k8s recommend` show a real container on the node', async () => {
    const pod = await createPod(70);
    const body = { status: { containerStatuses: [status(70)] } };
    await server.admin.request(`/api/v1/namespaces/shop/pods/${pod.name}/status`, { method: 'PATCH', body });
    const account = await server.kubeconfigOf('oomscope', 'oomscope');
    const group = createMemoryGroup({ limitBytes: 256 * MIB, name: `kubepods-oomscope-${process.pid}-top` });
    try {
      const own = group.child(`pod${pod.uid}`).child(containerId(70), 64 * MIB);
      await oomKill({ group: own });
      const hog = startHog(own, ['--hold', '40M']);
      await hog.ready;
      const asked = ['--node', NODE, '--kubeconfig', account, '--json', pod.name];
      const top = JSON.parse((await oomscope(['k8s', 'top', ...asked])).stdout) as PodContainer[];
      expect(top).toMatchObject([
        {
          kubernetes: { source: 'api', container: 'app', container_memory: { request_bytes: 256 * MIB } },
          memory: { limit_bytes: 64 * MIB, counts: { oom_kills: 1 } },
        },
      ]);
      expect(top[0]?.memory.unreclaimable_bytes).toBeGreaterThan(39 * MIB);
      if (top[0]?.memory.cgroup_version === 2) expect(top[0].memory.counts.ooms).toBeGreaterThan(0);
      const lines = await linesOf(['k8s', 'top', '--watch', '--sample', '100ms', ...asked], 3);
      expect(lines.map((line) => (JSON.parse(line) as PodContainer[])[0]?.kubernetes)).toMatchObject(
        Array(3).fill({ source: 'api', pod: pod.name, container: 'app' }),
      );
      const advised = JSON.parse((await oomscope(['k8s', 'recommend', ...asked])).stdout) as WorkloadAdvice[];
      expect(advised).toMatchObject([
        {
          ...{ workload: { kind: 'Deployment', name: 'web' }, container: 'app', replicas: 1 },
          advice: { scope: 'container', limit_bytes: 96 * MIB, confidence: 'low' },
        },
      ]);
      const words = ['--node', NODE, '--kubeconfig', account, pod.name];
      const { stdout: patch } = await oomscope(['k8s', 'recommend', '--patch', ...words]);
      expect(patch).toContain('kind: Deployment');
      expect(patch).toContain('memory: 96Mi');
      const { stdout: range } = await oomscope(['k8s', 'recommend', '--limit-range', ...words]);
      writeFileSync(join(server.directory, 'limit-range.yaml'), range);
      const accepted = server.kubectl('apply', '--dry-run=server', '-f', join(server.directory, 'limit-range.yaml'));
      expect(accepted).toContain('limitrange/memory created');
      const both = await oomscope(['k8s', 'recommend', '--vpa', '--patch', ...words]);
      expect(both).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--patch and --vpa: expected one of them'),
      });
      const { stdout: text } = await oomscope(['k8s', 'top', ...words]);
      expect(text.split('\n')[1]).toMatch(new RegExp(`^shop/${pod.name} app  .* 64 MiB`));
    } finally {
      removeMemoryGroups();
    }
  });

  test.skipIf(oomKillsUnavailable())('`k8s recommend` compares the heap of a real program with its limit', async () => {
    const pod = await createPod(75);
    const body = { status: { containerStatuses: [status(75)] } };
    await server.admin.request(`/api/v1/namespaces/shop/pods/${pod.name}/status`, { method: 'PATCH', body });
    const account = await server.kubeconfigOf('oomscope', 'oomscope');
    const group = createMemoryGroup({ limitBytes: 512 * MIB, name: `kubepods-oomscope-${process.pid}-heap` });
    const own = group.child(`pod${pod.uid}`).child(containerId(75), 256 * MIB);
    const move = 'echo $$ >"$0/cgroup.procs" && exec "$@"';
    const node = [process.execPath, '--max-old-space-size=400', '-e', 'console.log(1); setInterval(() => {}, 9e5)'];
    const child = spawn('sh', ['-c', move, own.path, ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');
      const words = ['k8s', 'recommend', pod.name, '--node', NODE, '--kubeconfig', account];
      const [advised] = JSON.parse((await oomscope([...words, '--json'])).stdout) as WorkloadAdvice[];
      expect(advised?.observed.ageSeconds).toBeLessThan(600);
      expect(advised?.advice).toMatchObject({ scope: 'none', limit_bytes: 256 * MIB, confidence: 'low' });
      expect(advised?.heap).toMatchObject({ runtime: 'node', pid: child.pid, most_bytes: 400 * MIB });
      const { stdout } = await oomscope(words);
      expect(stdout).toContain('(--max-old-space-size=400), more than the limit of 256 MiB');
      const [vpa] = parseYamls((await oomscope([...words, '--vpa'])).stdout);
      expect(vpa).toMatchObject({
        kind: 'VerticalPodAutoscaler',
        spec: { targetRef: { kind: 'Deployment', name: 'web' } },
      });
    } finally {
      child.kill('SIGKILL');
      removeMemoryGroups();
    }
  });

  test('the agent is stopped, and killed, while the server is away: what waited is written once by the next one', async () => {
    const pods = [await createPod(90), await createPod(91)] as [Named, Named];
    const spool = join(server.directory, 'event-spool');
    const offer = (writer: EventWriter, from: number, to: number, pod: Named) => {
      for (let i = from; i < to; i++)
        writer.offer(eventsOfKill(podKill({ id: `${pod.name}-${i}` }), factsOf(pod), NODE)[0] as ObjectEvent);
    };
    const [stopped, later, last] = [await client(), await client(), await client()];
    const kubeconfig = await server.kubeconfigOf('oomscope', 'oomscope');
    await server.down();
    try {
      // Stopped: the counts of series go into the queue.
      const told: string[] = [];
      const first = new EventWriter({ client: stopped, directory: spool, tell: (said) => told.push(said) });
      offer(first, 0, 30, pods[0]);
      await first.close();
      expect(told.at(-1)).toBe('30 kills wait on disk: the next start writes their Kubernetes Events.');
      // Killed: another process, which gets no time to close anything.
      const script = join(import.meta.dirname, 'killed-writer.ts');
      const words = [script, kubeconfig, spool, pods[1].name, pods[1].uid, '30'];
      const child = spawn(process.execPath, words, { stdio: 'ignore' });
      try {
        const files = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.json')).length;
        const onDisk = () => [files(spool), files(join(spool, 'counts'))];
        // Ten Events and a count of the first one, ten Events of the second, and the counts that are held back.
        await expect.poll(onDisk, { timeout: 20_000 }).toEqual([21, 2]);
      } finally {
        child.kill('SIGKILL');
      }
      await ended(child);
      expect(child.signalCode).toBe('SIGKILL');
    } finally {
      await server.up();
    }
    const next = new EventWriter({ client: later, directory: spool, pauseMs: () => 200 });
    await expect.poll(() => next.counts, { timeout: 30_000 }).toMatchObject({ waiting: 0, refused: 0 });
    await next.close();
    for (const { name } of pods) {
      const counts = (await eventsOn(name)).map(countOf);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30);
      expect(counts).toHaveLength(10);
    }
    expect(next.counts).toMatchObject({ written: 60, dropped: 0 });
    // Nothing is left for a third process.
    const third = new EventWriter({ client: last, directory: spool });
    expect(third.counts.waiting).toBe(0);
    await third.close();
  }, 120_000);

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

const texts = { type: 'array', items: { type: 'string' } };
const podMonitorDefinition = {
  ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  metadata: { name: 'podmonitors.monitoring.coreos.com' },
  spec: {
    ...{ group: 'monitoring.coreos.com', scope: 'Namespaced' },
    names: { kind: 'PodMonitor', listKind: 'PodMonitorList', plural: 'podmonitors', singular: 'podmonitor' },
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: {
          openAPIV3Schema: {
            ...{ type: 'object', required: ['spec'] },
            properties: {
              spec: {
                ...{ type: 'object', required: ['podMetricsEndpoints', 'selector'] },
                properties: {
                  selector: {
                    type: 'object',
                    properties: { matchLabels: { type: 'object', additionalProperties: { type: 'string' } } },
                  },
                  podMetricsEndpoints: {
                    type: 'array',
                    items: {
                      type: 'object',
                      properties: {
                        ...{ port: { type: 'string' }, path: { type: 'string' }, honorLabels: { type: 'boolean' } },
                        relabelings: {
                          type: 'array',
                          items: {
                            type: 'object',
                            properties: { sourceLabels: texts, targetLabel: { type: 'string' } },
                          },
                        },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** The first lines of a command that does not end by itself. */
async function linesOf(words: string[], count: number): Promise<string[]> {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) if (lines.push(line) === count) break;
  child.kill('SIGTERM');
  expect(await end).toMatchObject({ code: 0 });
  return lines;
}

const parseYamls = (stream: string) =>
  stream
    .split(/^---$/m)
    .filter((part) => part.trim() !== '')
    .map(parseYaml);

function writeInto(folder: string, path: string, content: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
