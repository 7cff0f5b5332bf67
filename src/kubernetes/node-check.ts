/** What a node is set to, from its files: the kubelet's configuration, cgroups and swap. */
import { join } from 'node:path';
import { readIfPresent } from '../linux/read-if-present.ts';
import { formatBytes } from '../text/format.ts';
import type { Check } from './cluster-check.ts';
import { record, text } from './foreign.ts';
import { parseQuantity } from './quantity.ts';
import { parseYaml } from './yaml.ts';

export interface NodeFiles {
  /** Reads a file of the node; undefined: it is missing or not readable. */
  read: (path: string) => string | undefined;
  /** Names in a directory; empty: it is missing. */
  list: (path: string) => string[];
  /** The version and the mount point of the memory cgroups. */
  hierarchy: { version: 1 | 2; mount: string } | undefined;
  /** Names of the processes that run. */
  processes: readonly string[];
}

/** Where kubeadm, k3s and others keep the configuration of the kubelet. */
const CONFIGURATIONS = [
  '/var/lib/kubelet/config.yaml',
  '/etc/kubernetes/kubelet/kubelet-config.json',
  '/etc/kubernetes/kubelet.conf',
];

export function checkNode(files: NodeFiles): Check[] {
  const { hierarchy } = files;
  const kubelet = configuration(files);
  if (!isNode(files)) return [noNode()];
  return [
    cgroups(hierarchy),
    ...(kubelet === undefined ? [noConfiguration()] : settings(kubelet.value, kubelet.path, files)),
    ...groupKills(files, kubelet?.value),
    swap(files, kubelet?.value),
    ...otherKillers(files.processes),
  ];
}

function cgroups(hierarchy: NodeFiles['hierarchy']): Check {
  if (!hierarchy) return { name: 'cgroups', state: 'missing', found: 'no memory cgroups are mounted', meaning: null };
  if (hierarchy.version === 2)
    return { name: 'cgroups', state: 'ok', found: `version 2 at ${hierarchy.mount}`, meaning: null };
  const meaning =
    'Kubernetes supports version 1 only for maintenance since 1.31: no MemoryQoS, no group kills, no PSI of pods.';
  return { name: 'cgroups', state: 'warning', found: `version 1 at ${hierarchy.mount}`, meaning };
}

function configuration({
  read,
}: Pick<NodeFiles, 'read'>): { path: string; value: Record<string, unknown> } | undefined {
  for (const path of CONFIGURATIONS) {
    const source = read(path);
    if (source === undefined) continue;
    try {
      const value = record(parseYaml(source));
      if (value.kind === 'KubeletConfiguration') return { path, value };
    } catch {
      // not a file of the kubelet
    }
  }
  return undefined;
}

const isNode = (files: NodeFiles) =>
  CONFIGURATIONS.some((path) => files.read(path) !== undefined) ||
  files.processes.includes('kubelet') ||
  podsGroup(files) !== undefined;

function noNode(): Check {
  const meaning =
    'How a node is set shows on the node, or in the pod of its agent: kubectl exec --namespace oomscope daemonset/oomscope -- oomscope k8s check.';
  return { name: 'this machine', state: 'info', found: 'no node: neither a kubelet nor a pod is here', meaning };
}

function noConfiguration(): Check {
  const meaning = 'The kubelet has its configuration elsewhere.';
  return { name: 'kubelet', state: 'unknown', found: `no configuration at ${CONFIGURATIONS[0]}`, meaning };
}

function settings(kubelet: Record<string, unknown>, path: string, { read }: NodeFiles): Check[] {
  const driver = text(kubelet.cgroupDriver) ?? 'cgroupfs';
  const isQos = record(kubelet.featureGates).MemoryQoS === true;
  const total = /^MemTotal:\s+(\d+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1];
  const eviction = evictionIn(kubelet, total === undefined ? undefined : Number(total) * 1024);
  const at = eviction.bytes === null ? '' : ` (${formatBytes(eviction.bytes)})`;
  return [
    { name: 'cgroup driver', state: 'info', found: `${driver} (${path})`, meaning: null },
    {
      ...{ name: 'MemoryQoS', state: 'info', found: isQos ? 'on' : 'off' },
      meaning: isQos ? 'Containers are slowed down at memory.high before they reach their limit.' : null,
    },
    {
      ...{
        name: 'eviction',
        state: 'info',
        found: `pods are evicted when less than ${eviction.text}${at} is available`,
      },
      meaning:
        'The kubelet looks every ten seconds: memory that runs out faster ends in an OOM kill of the whole node.',
    },
  ];
}

/** The memory.available below which the kubelet evicts pods at once. */
export interface Eviction {
  /** As it is written: "100Mi" or "5%". */
  text: string;
  /** null: not a size. */
  bytes: number | null;
  /** No configuration of the kubelet was found, or it does not name a threshold. */
  isDefault: boolean;
}

export const evictionOf = (read: NodeFiles['read'], totalBytes: number): Eviction =>
  evictionIn(configuration({ read })?.value ?? {}, totalBytes);

function evictionIn(kubelet: Record<string, unknown>, totalBytes: number | undefined): Eviction {
  const given = text(record(kubelet.evictionHard)['memory.available']);
  const value = given ?? '100Mi';
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(value)?.[1];
  const bytes =
    percent === undefined
      ? parseQuantity(value)
      : totalBytes === undefined
        ? null
        : Math.round((totalBytes * Number(percent)) / 100);
  return { text: value, bytes, isDefault: given === null };
}

/** Reads a file of the node, also from the pod of the agent, which sees the process 1 of the node and its root. */
export const readOfNode = (path: string): string | undefined =>
  readIfPresent(path) ?? readIfPresent(`/proc/1/root${path}`);

/**
 * From Kubernetes 1.28 on the kubelet sets memory.oom.group on cgroup v2, so that a container dies as a whole, except with
 * singleProcessOOMKill (1.32).
 */
function groupKills({ hierarchy, list, read }: NodeFiles, kubelet: Record<string, unknown> | undefined): Check[] {
  if (hierarchy?.version !== 2) return [];
  const single = kubelet?.singleProcessOOMKill;
  const root = podsGroup({ hierarchy, list });
  const values =
    root === undefined ? [] : containerGroups(root, list).map((path) => read(join(path, 'memory.oom.group'))?.trim());
  const together = values.filter((value) => value === '1').length;
  const alone = values.filter((value) => value === '0').length;
  const counted =
    together + alone === 0
      ? 'no container runs'
      : `${together} of ${together + alone} containers are killed as a whole`;
  const meaning =
    alone > 0
      ? 'In the others a child may be killed while the container goes on: Kubernetes then says OOMKilled of a later end, whatever it was.'
      : null;
  const setting = typeof single === 'boolean' ? `, singleProcessOOMKill: ${single}` : '';
  return [
    {
      name: 'group kills',
      state: alone > 0 ? 'warning' : 'info',
      found: `${counted} (memory.oom.group)${setting}`,
      meaning,
    },
  ];
}

/** The cgroup of all pods. undefined: no pod runs. */
function podsGroup({ hierarchy, list }: Pick<NodeFiles, 'hierarchy' | 'list'>): string | undefined {
  const { mount } = hierarchy ?? {};
  if (mount === undefined) return undefined;
  return ['kubepods.slice', 'kubepods'].map((name) => join(mount, name)).find((path) => list(path).length > 0);
}

/** The cgroups of containers are the leaves three or four levels below kubepods: [class/]pod/container. */
function containerGroups(root: string, list: NodeFiles['list']): string[] {
  const below = (path: string, pattern: RegExp) =>
    list(path)
      .filter((name) => pattern.test(name))
      .map((name) => join(path, name));
  const classes = [root, ...below(root, /burstable|besteffort/)];
  const pods = classes.flatMap((path) => below(path, /pod[0-9a-f]{8}/));
  return pods.flatMap((path) => below(path, /[0-9a-f]{64}/));
}

function swap({ read }: NodeFiles, kubelet: Record<string, unknown> | undefined): Check {
  const lines = (read('/proc/swaps') ?? '').trim().split('\n').slice(1);
  const behaviour = text(record(kubelet?.memorySwap).swapBehavior);
  const used = behaviour === null ? '' : `, swapBehavior: ${behaviour}`;
  if (lines.length === 0) return { name: 'swap', state: 'info', found: `none${used}`, meaning: null };
  const meaning =
    behaviour === 'LimitedSwap'
      ? 'Pods of the class Burstable may swap in proportion to their requests; a shortage shows as stalls before it shows as kills.'
      : 'Pods do not swap unless swapBehavior is LimitedSwap.';
  return {
    name: 'swap',
    state: 'info',
    found: `${lines.length} device${lines.length === 1 ? '' : 's'}${used}`,
    meaning,
  };
}

function otherKillers(processes: readonly string[]): Check[] {
  if (!processes.includes('systemd-oomd')) return [];
  const meaning =
    'It kills whole cgroups by pressure, and Kubernetes shows such an end as Error with exit code 137. Turn it off for kubepods.slice.';
  return [{ name: 'systemd-oomd', state: 'warning', found: 'runs on this node', meaning }];
}
