/**
 * The guard on a node of Kubernetes: it leaves alone what runs the node, and orders the other processes as the kubelet orders
 * pods for eviction (pkg/kubelet/eviction/helpers.go, rankMemoryPressure()): first pods above their request, among those the
 * lower priority, then the larger excess. The class of quality of service does not count, there as here.
 */
import { dirname } from 'node:path';
import { containerCgroup } from '../containers/container-path.ts';
import type { Standing, Supervisor, WatchingRule } from '../guard/rules/standing.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import type { Sample, SampledProcess } from '../model/sample.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { type Eviction, evictionOf, readOfNode } from './node-check.ts';
import type { KnownPod } from './pod-facts.ts';

export interface NodeGuardOptions {
  /** The pods of this node, by the uid in the paths of their cgroups. */
  pods: { get: (cgroupUid: string) => KnownPod | undefined };
  cgroups?: Cgroupfs | undefined;
  /** Reads a file of the node; undefined: it is missing. */
  read?: (path: string) => string | undefined;
  /** Milliseconds of a clock that does not jump. */
  now?: () => number;
}

/** Classes of processes, from the one to kill first. */
const CLASS = { aboveRequest: 2, noPod: 1, withinRequest: 0 };

/** scheduling.SystemCriticalPriority: pods from here on are critical, and the kubelet evicts none (types.IsCriticalPod()). */
const CRITICAL_PRIORITY = 2_000_000_000;
const CRITICAL_CLASSES = ['system-node-critical', 'system-cluster-critical'];

/** Names of programs without which no pod runs. The kernel truncates a name to 15 bytes. */
const NODE_PROGRAMS =
  /^(?:kubelet|kubelite|k3s(?:-server|-agent)?|rke2|k0s|containerd|containerd-shim.*|dockerd|docker-proxy|cri-dockerd|crio|conmon(?:rs)?|runc|crun|kube-(?:proxy|apiserver|controller|scheduler).*|etcd)$/;
const NODE_UNITS =
  /^(?:kubelet|containerd|crio|docker|cri-docker|k3s(?:-agent)?|rke2-(?:server|agent)|k0s(?:controller|worker)|snap\.microk8s\..*)\.service$/;

/** How long a reading of a pod's usage serves (ms). The kubelet's own readings are up to 10 s old. */
const FRESH_MS = 3000;
const MOST_READINGS = 1024;

export class NodeGuard implements Supervisor {
  readonly #options: NodeGuardOptions;
  readonly #cgroups: Cgroupfs | undefined;
  readonly #now: () => number;
  readonly #readings = new Map<string, { bytes: number | null; atMs: number }>();

  constructor(options: NodeGuardOptions) {
    this.#options = options;
    this.#cgroups = 'cgroups' in options ? options.cgroups : Cgroupfs.find();
    this.#now = options.now ?? (() => performance.now());
  }

  readonly standingOf = (process: SampledProcess): Standing => {
    const { pod, container, cgroup } = process;
    if (pod === null) return isOfNode(process) ? never('it runs the pods of this node') : { order: [CLASS.noPod] };
    // A uid without dashes is the hash of a file (pkg/kubelet/config/common.go).
    if (!pod.uid.includes('-')) return never('it is in a static pod');
    if (container === null || cgroup === null) return never('it belongs to the container runtime');
    const known = this.#options.pods.get(pod.uid);
    if (!known) return never('its pod is not known');
    const name = printable(`${known.namespace}/${known.name}`);
    if (known.isStatic) return never(`it is in the static pod ${name}`);
    if (isCritical(known)) return never(`it is in the critical pod ${name}`);
    if (!known.nameOfId.has(container.id))
      return never(`it is the sandbox of the pod ${name}, or in an unknown container`);
    const own = containerCgroup(cgroup, container.id);
    const usage = own === null ? null : this.#workingSet(dirname(own));
    if (usage === null) return never(`the usage of its pod ${name} is not known`);
    return standing(name, known, usage);
  };

  readonly notes = (rules: readonly WatchingRule[], levels: Sample): string[] => {
    const eviction = evictionOf(this.#options.read ?? readOfNode, levels.system.total_bytes);
    return [
      'on this node of Kubernetes: kills no kubelet, no container runtime, no static or critical pod, and no pod that it does not know; prefers pods above their requests, in the order in which the kubelet evicts',
      ...rules.flatMap((rule) => meeting(rule, levels, eviction)),
    ];
  };

  /** What the kubelet calls the working set of a pod: its usage without inactive pages of files. null: unknown. */
  #workingSet(path: string): number | null {
    const now = this.#now();
    const known = this.#readings.get(path);
    if (known && now - known.atMs < FRESH_MS) return known.bytes;
    using group = this.#cgroups?.open(path);
    const usage = group?.usage();
    const inactive = group?.inactiveFile();
    const bytes = usage === undefined || inactive === undefined ? null : Math.max(0, usage - inactive);
    if (this.#readings.size >= MOST_READINGS) this.#readings.clear();
    this.#readings.set(path, { bytes, atMs: now });
    return bytes;
  }
}

const never = (reason: string): Standing => ({ never: reason, order: [] });

/** A process of no pod may give itself any of these names. It can only spare itself. */
const isOfNode = ({ comm, unit }: SampledProcess) =>
  NODE_PROGRAMS.test(comm) || (unit !== null && NODE_UNITS.test(unit));

const isCritical = ({ priority, priorityClass }: KnownPod) =>
  (priority ?? 0) >= CRITICAL_PRIORITY || (priorityClass !== null && CRITICAL_CLASSES.includes(priorityClass));

/**
 * If all pods are within their requests, processes outside pods have caused the shortage: the requests leave them the memory
 * that the node reserves. So they come before such pods, which the kubelet, which can only evict pods, would end.
 */
function standing(name: string, { priority, memory }: KnownPod, usageBytes: number): Standing {
  const request = memory.request_bytes ?? 0;
  const excess = usageBytes - request;
  const where = `${formatBytes(Math.abs(excess))} ${excess > 0 ? 'above' : 'below'} its request of ${formatBytes(request)}`;
  return {
    order: [excess > 0 ? CLASS.aboveRequest : CLASS.withinRequest, -(priority ?? 0), excess],
    text: `pod ${name}: ${where}, priority ${priority ?? 0}`,
  };
}

/** Where a rule about the memory of the whole system and the eviction of the kubelet meet. */
function meeting({ name, on, when }: WatchingRule, { system }: Sample, eviction: Eviction): string[] {
  if (!on.some(({ kind }) => kind === 'system')) return [];
  const detector = when.find(({ metric, operator }) => metric.name === 'available' && operator.startsWith('<'));
  if (!detector) return [];
  const { limit, unit } = detector;
  const all = system.available_bytes + system.anon_bytes;
  const guardAt = unit === 'percent' ? (limit / 100) * all : limit;
  const about = `rule "${printable(name)}" acts below ${unit === 'percent' ? 'about ' : ''}${formatBytes(Math.round(guardAt))} of available memory`;
  if (eviction.bytes === null)
    return [`${about}; the threshold of the kubelet, ${printable(eviction.text)}, is not a size`];
  const whose = eviction.isDefault ? ', its default: no configuration of it was found' : '';
  const kubelet = `the kubelet evicts below ${formatBytes(eviction.bytes)}${whose}`;
  const first =
    guardAt > eviction.bytes
      ? 'the guard acts first, unless much memory is used for pages of files, which the kubelet counts as used while they are active'
      : 'the kubelet acts first, unless memory runs out within the 10 s between its looks';
  return [`${about}, ${kubelet}: ${first}`];
}
