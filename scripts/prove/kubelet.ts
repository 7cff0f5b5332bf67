/**
 * Runs a real kubelet and a real containerd in a guest, under a real kube-apiserver, ends pods in many ways, and compares what
 * oomscope says of each end with what is true, beside what Kubernetes says.
 *
 *   npm run prove:kubelet -- [--fresh] [--part PART]... [--write]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { record, text } from '../../src/kubernetes/foreign.ts';
import { manifest } from '../../src/kubernetes/manifest.ts';
import { type PodKill, podKills } from '../../src/kubernetes/pod-kills.ts';
import { writeYamlStream } from '../../src/kubernetes/yaml-write.ts';
import type { Event } from '../../src/model/events.ts';
import type { ProcessKilled } from '../../src/model/process-killed.ts';
import { oomscope } from '../../test/cli/cli.ts';
import { ApiServer } from '../../test/kubernetes/apiserver.ts';
import { bootGuest, lastLines } from '../lab/guest.ts';
import { IMAGE, NODE, nodeFiles } from './kubelet/node.ts';
import { ended, finish, killed, lastEnd, play, type Scene, type Stage, type Truth, told } from './kubelet/scenes.ts';
import { prove } from './proof.ts';

const KERNELS = ['6.12', '6.1'];
const PACKAGES = ['containerd', 'dbus', 'iproute2', 'runc'];
const MEMORY_MIB = 2048;
const LIMIT_SECONDS = 1500;
const NAMESPACE = 'shop';
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
/** Pods that start together: an emulated machine starts one in ten seconds. */
const AT_ONCE = 4;
/** How long the Event of the agent may take after the end of a container, and how often it is looked for. */
const SETTLE_MS = 60_000;
const LOOK_MS = 3000;

/** What was seen of a scene. */
interface Seen {
  name: string;
  what: string;
  /** What Kubernetes says: the last end of the container, or that it runs. */
  status: string;
  rows: PodKill[];
  /** The id that the runtime gave the container that has ended. null: none has, or Kubernetes does not say. */
  id: string | null;
  /** The death of its main process. */
  death: string | null;
  wrong: string[];
}

class Cluster implements Stage, AsyncDisposable {
  readonly server: ApiServer;

  private constructor(server: ApiServer) {
    this.server = server;
  }

  /** The API server with the service account and the rights of the agent, and a namespace for pods. */
  static async start(): Promise<Cluster> {
    const cluster = new Cluster(await ApiServer.start());
    const { server } = cluster;
    const all = join(server.directory, 'all.yaml');
    writeFileSync(all, writeYamlStream(Object.values(manifest({ namespace: 'oomscope', image: IMAGE, events: true }))));
    server.kubectl('apply', '--filename', all);
    await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    return cluster;
  }

  create(name: string, spec: Record<string, unknown>): Promise<Record<string, unknown>> {
    const fixed = { nodeName: NODE, hostNetwork: true, enableServiceLinks: false, terminationGracePeriodSeconds: 10 };
    return this.server.create(PODS, {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name } },
      spec: { ...fixed, restartPolicy: 'Never', ...spec },
    });
  }

  pod(name: string): Promise<Record<string, unknown>> {
    return this.server.admin.request(`${PODS}/${name}`);
  }

  async isTold(name: string): Promise<boolean> {
    const rows = await podKills(this.server.admin, { namespace: NAMESPACE, sinceMs: 0 });
    return rows.some(({ pod, source }) => pod === name && source === 'kill');
  }

  /** What `oomscope k8s events` shows of a pod. */
  async rows(name: string): Promise<PodKill[]> {
    const words = ['k8s', 'events', '--json', '--namespace', NAMESPACE, '--kubeconfig', this.server.kubeconfig];
    const { stdout, stderr, code } = await oomscope(words);
    if (code !== 0) throw new Error(stderr);
    return (JSON.parse(stdout) as PodKill[]).filter(({ pod }) => pod === name);
  }

  delete(name: string): void {
    this.server.kubectl('delete', 'pod', '--namespace', NAMESPACE, '--wait=false', name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server[Symbol.asyncDispose]();
  }
}

/** @param groups scenes that are played together, one group after another */
async function run(kernel: string, groups: readonly (readonly Scene[])[]): Promise<Seen[]> {
  await using cluster = await Cluster.start();
  const work = mkdtempSync(join(tmpdir(), 'oomscope-kubelet-'));
  const stop = new AbortController();
  try {
    const guest = bootGuest({
      ...{
        kernel,
        cpus: 1,
        virtualTime: true,
        memoryMib: MEMORY_MIB,
        limitSeconds: LIMIT_SECONDS,
        signal: stop.signal,
      },
      system: { suite: 'bookworm', packages: PACKAGES, units: ['dbus.service', 'containerd.service'] },
      network: { outgoing: [cluster.server.port] },
      files: await nodeFiles(cluster.server, work, MEMORY_MIB),
      ...{ outDir: join(work, 'out'), command: ['sh', '/root/guest.sh'] },
      onStderr: (chunk) => process.stderr.write(chunk),
    });
    const early = guest.then((result) => {
      throw new Error(`the guest ended: ${result.stderr}\n${lastLines(result)}`);
    });
    const seen = await Promise.race([early, playAll(groups, cluster)]).catch(async (error) => {
      stop.abort(error);
      await guest.catch(() => {});
      throw error;
    });
    await cluster.create('finish', finish);
    early.catch(() => {});
    const result = await guest;
    if (result.exitCode !== 0) throw new Error(`${result.stderr}\n${lastLines(result)}`);
    const lines = readFileSync(join(work, 'out/run.jsonl'), 'utf8').trim().split('\n');
    const events = lines.map((line) => JSON.parse(line) as Event);
    const all = withAuthors(seen, groups.flat(), events);
    if (all.some(({ wrong }) => wrong.length > 0)) throw new Error(all.map(rendered).join('\n'));
    return all;
  } finally {
    if (process.env.KEEP === undefined) rmSync(work, { recursive: true, force: true });
    else process.stderr.write(`${work}\n`);
  }
}

async function playAll(groups: readonly (readonly Scene[])[], cluster: Cluster): Promise<Seen[]> {
  for (;;) {
    const ready = await cluster.server.admin.request(`/api/v1/nodes/${NODE}`).catch(() => undefined);
    if (ready) break;
    await sleep(LOOK_MS);
  }
  const seen: Seen[] = [];
  for (const group of groups) {
    seen.push(...(await Promise.all(group.map((scene) => playOne(scene, cluster)))));
    for (const { name } of group) cluster.delete(name);
  }
  return seen;
}

async function playOne(scene: Scene, cluster: Cluster): Promise<Seen> {
  const { name, what, spec, truth } = scene;
  await cluster.create(name, spec);
  await play(scene, cluster);
  if (truth.events.length > 0) await told(name, cluster);
  const pod = await cluster.pod(name);
  const id = text(lastEnd(pod)?.containerID)?.replace(/^containerd:\/\//, '') ?? null;
  const seen = { name, what, status: statusText(pod), id, death: null };
  // The Event of the agent and the status of the kubelet come in any order.
  for (const end = performance.now() + SETTLE_MS; ; await sleep(LOOK_MS)) {
    const rows = await cluster.rows(name);
    const wrong = wrongRows(truth, rows);
    if (wrong.length > 0 && performance.now() < end) continue;
    process.stderr.write(`${rendered({ ...seen, rows, wrong })}\n`);
    return { ...seen, rows, wrong };
  }
}

function statusText(pod: Record<string, unknown>): string {
  const { phase, reason } = record(pod.status);
  const end = lastEnd(pod);
  const of = end === undefined ? 'running' : `${text(end.reason)}, exit code ${end.exitCode}`;
  return `${text(reason) ?? text(phase)}; container: ${of}`;
}

/** Adds who killed the main processes, and what of that differs from the truth. */
function withAuthors(seen: readonly Seen[], scenes: readonly Scene[], events: readonly Event[]): Seen[] {
  return seen.map((one) => {
    const { truth } = scenes.find(({ name }) => name === one.name) as Scene;
    const deaths = events
      .filter((event): event is ProcessKilled => event.type === 'process.killed')
      .filter(({ victim }) => victim.pod?.name === one.name && victim.namespace_init);
    // Of an evicted pod, Kubernetes forgets the container. A container that has not ended is killed when its pod is deleted.
    const isWanted = ({ victim: { container } }: ProcessKilled) =>
      one.id === null ? truth.author !== null && container?.name === 'app' : container?.id === one.id;
    const death = deaths.find(isWanted);
    return { ...one, death: death?.message ?? null, wrong: [...one.wrong, ...wrongAuthor(truth, death)] };
  });
}

const expect = (fine: boolean, what: string, got: unknown): string[] => (fine ? [] : [`expected ${what}, got ${got}`]);

function wrongRows(truth: Truth, rows: readonly PodKill[]): string[] {
  const written = rows.filter(({ source }) => source === 'kill');
  const judged = rows.filter(({ source }) => source === 'status');
  const said = [...written, ...judged].map(({ message }) => message).join(' ');
  const reasons = [...new Set(written.map(({ reason }) => reason))].join();
  const verdict = judged[0]?.verdict ?? null;
  return [
    ...expect(reasons === truth.events.join(), `the Events [${truth.events}]`, `[${reasons}]`),
    ...expect(verdict === truth.verdict, `the judgement ${truth.verdict}`, verdict),
    ...expect(truth.says === undefined || truth.says.test(said), `the words ${truth.says}`, said),
  ];
}

function wrongAuthor(truth: Truth, death: ProcessKilled | undefined): string[] {
  const author = death?.by.kind ?? null;
  const why = death?.by.reason?.words ?? '';
  return [
    ...expect(author === truth.author, `the author ${truth.author}`, author),
    ...expect(truth.reason === undefined || truth.reason.test(why), `the reason ${truth.reason}`, why),
  ];
}

const inGroups = (scenes: readonly Scene[], size: number): Scene[][] =>
  Array.from({ length: Math.ceil(scenes.length / size) }, (_, i) => scenes.slice(i * size, (i + 1) * size));

/** The eviction is played alone. */
const kinds = {
  'killed by the kernel': inGroups(killed, AT_ONCE),
  'ended by the kubelet': [ended.slice(0, -1), ended.slice(-1)],
};

await prove<Seen[]>({
  name: 'kubelet',
  claim:
    'A real kubelet 1.20.2 and a real containerd 1.6.20 run pods in a guest with systemd and cgroup v2, under a real kube-apiserver with etcd on this machine. The clock of the guest counts instructions. For each end of a pod, the Events of the agent, the judgement of `oomscope k8s events` and the author of the kill (`process.killed`) are what the scene knows. This kubelet is older than the setting of memory.oom.group: in the scene `group` a script of the guest sets it.',
  parts: KERNELS.flatMap((kernel) =>
    Object.entries(kinds).map(([kind, groups]) => ({ name: `${kernel} ${kind}`, run: () => run(kernel, groups) })),
  ),
  render: (parts) =>
    parts.map(({ name, figures }) => `=== Linux ${name} ===\n${(figures ?? []).map(rendered).join('\n')}`).join('\n\n'),
});

function rendered({ name, what, status, rows, death, wrong }: Seen): string {
  const said = rows.map(({ source, reason, count, verdict, message }) =>
    source === 'kill'
      ? `  Event ${reason}${count > 1 ? ` (${count} kills)` : ''}: ${message}`
      : `  status ${reason}: ${verdict}. ${message}`,
  );
  return [
    `${name}: ${what}`,
    `  Kubernetes: ${status}`,
    ...said,
    ...(death === null ? [] : [`  ${death}`]),
    ...wrong.map((fault) => `  WRONG: ${fault}`),
  ].join('\n');
}
