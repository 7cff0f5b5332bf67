/** Makes the Event of Kubernetes (events.k8s.io/v1) that tells of a kill on its pod or node. Pure functions. */
import type { CgroupComposition, LimitCgroup, OomKill, OomStuck } from '../model/events.ts';
import type { KubernetesFacts } from '../model/kubernetes.ts';
import { isLate, isPartial } from '../render/late-composition.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';

/** `reportingController` of every Event. */
export const CONTROLLER = 'oomscope.io/agent';

export type EventReason = 'ContainerOOMKilled' | 'ProcessOOMKilled' | 'OOMStuck' | 'NodeOOMKilled';

export interface ObjectReference {
  apiVersion: 'v1';
  kind: 'Pod' | 'Node';
  name: string;
  uid: string;
  namespace?: string;
  fieldPath?: string;
}

/** The body of a POST. Fields that only the old core API has must be unset. */
export interface ObjectEvent {
  apiVersion: 'events.k8s.io/v1';
  kind: 'Event';
  metadata: { name: string; namespace: string };
  eventTime: string;
  type: 'Warning';
  reason: EventReason;
  action: 'OOMKill' | 'Wait';
  regarding: ObjectReference;
  note: string;
  reportingController: typeof CONTROLLER;
  reportingInstance: string;
  series?: { count: number; lastObservedTime: string };
}

/** pkg/apis/core/validation/events.go: NoteLengthLimit and ReportingInstanceLengthLimit, in bytes. */
const MOST_NOTE = 1024;
const MOST_INSTANCE = 128;
const MOST_NAME = 253;

/**
 * The Events of a kill: one on the pod of the victim, and one on the node if the whole system was out of memory. There is
 * none for a process that the kernel killed together with the victim, nor for one that was exiting already. The notes have no
 * arguments of processes, which may be secrets: Events have more readers than /proc.
 *
 * @param facts of the victim; null: it is in no pod
 * @param node the name of the node
 */
export function eventsOfKill(kill: OomKill, facts: KubernetesFacts | null, node: string): ObjectEvent[] {
  if (kill.kind !== 'killed') return [];
  const pod = facts && podReference(facts);
  const isMain = pod ? mainProcess(kill) : false;
  const events: ObjectEvent[] = [];
  if (facts && pod) {
    const reason = isMain ? 'ContainerOOMKilled' : 'ProcessOOMKilled';
    events.push(body(kill, pod, reason, killNote(kill, facts, isMain), node));
  }
  if (kill.scope === 'system')
    events.push(body(kill, nodeReference(node), 'NodeOOMKilled', nodeNote(kill, facts), node));
  return events;
}

/** The Event of a cgroup that is out of memory without a kill. It is made once, when the cgroup gets stuck. */
export function eventsOfStuck(stuck: OomStuck, facts: KubernetesFacts | null, node: string): ObjectEvent[] {
  const pod = facts && podReference(facts);
  if (!pod || stuck.state !== 'stuck') return [];
  return [body(stuck, pod, 'OOMStuck', printable(stuck.message), node)];
}

/**
 * Whether the container ended with the victim: it was process 1 of the container (true), or the kernel killed all processes of the
 * container ('group'). null: the containers of the pod have one pid namespace, or that of the node.
 */
function mainProcess({ victim, cgroups }: OomKill): boolean | 'group' | null {
  const id = victim.container?.id;
  const own = id === undefined ? undefined : cgroups.findLast(({ path }) => path.includes(id));
  if (own?.oom_group) return 'group';
  const pid = victim.namespace_pids.at(-1);
  if (victim.namespace_pids.length < 2 || pid === undefined) return null;
  return pid === 1;
}

function killNote(kill: OomKill, facts: KubernetesFacts, isMain: ReturnType<typeof mainProcess>): string {
  const { victim, limit, composition } = kill;
  const named = facts.container === null ? 'A container' : `Container ${facts.container}`;
  const kind = facts.container_kind === null || facts.container_kind === 'main' ? '' : ` (${facts.container_kind})`;
  const who = `${printable(victim.comm ?? 'a process')} (pid ${victim.pid})`;
  const did = {
    true: `was OOM-killed: the kernel killed its main process ${who}`,
    group: `was OOM-killed: the kernel chose its process ${who} and killed all its processes, as memory.oom.group says`,
    // Whether the container goes on is not known yet: a shell often exits with the status of its child.
    false: `lost its process ${who} to the OOM killer; its main process was not killed`,
    null: `lost its process ${who} to the OOM killer; whether that was its main process is not known`,
  }[`${isMain}`];
  return sentences([
    `${named}${kind} ${did}.`,
    limitSentence(kill, facts),
    composition && compositionSentence(composition, limit),
    victim.memory &&
      `The victim held ${formatBytes(victim.memory.rss_bytes)}${share(victim.memory.rss_bytes, limit?.usage_bytes)}.`,
  ]);
}

/**
 * What the memory consisted of. The figures are read a moment after the kill: if the victim has freed much of its memory by
 * then, or the parts do not add up, they say nothing about the kill.
 */
function compositionSentence(composition: CgroupComposition, limit: LimitCgroup | null): string | null {
  if (limit === null || isLate(composition, limit.usage_bytes) || isPartial(composition)) return null;
  const list = parts([
    ['anonymous', composition.anon_bytes],
    ['tmpfs and shared memory', composition.shmem_bytes],
    ['files', composition.file_bytes],
    ['kernel', composition.kernel_bytes],
    ['swap', composition.swap_bytes],
  ]);
  return list === '' ? null : `In use: ${list}.`;
}

/** Whose limit was hit, by scope: the container's, the pod's, an ancestor's, or the node is out of memory. */
function limitSentence({ scope, limit, victim }: OomKill, facts: KubernetesFacts): string {
  if (limit === null) {
    return scope === 'system'
      ? 'Scope: node. The whole node was out of memory; no limit was hit.'
      : `Scope: ${scope ?? 'unknown'}.`;
  }
  const bytes = limit.limit_bytes ?? limit.memory_and_swap_limit_bytes;
  const size = bytes === null ? 'its limit' : `its limit of ${formatBytes(bytes)}`;
  const used = `${formatBytes(limit.usage_bytes)} in use`;
  if (limit.container && limit.container.id === victim.container?.id)
    return `Scope: container. The container reached ${size}, ${used}.`;
  if (limit.pod && limit.pod.uid === victim.pod?.uid && limit.container === null) {
    // The sandbox of a pod is charged to the pod, so a pod with one container reaches this limit before that of the container.
    const sum = facts.pod_limit === 'sum' ? ', the sum of the limits of its containers' : '';
    const own = facts.container_memory?.limit_bytes ?? null;
    const below = own === null ? '' : `; the container's own limit is ${formatBytes(own)}`;
    return `Scope: pod. The pod reached ${size}${sum}, ${used}${below}.`;
  }
  return `Scope: ancestor. The cgroup ${printable(limit.path)} above the pod reached ${size}, ${used}.`;
}

function nodeNote(kill: OomKill, facts: KubernetesFacts | null): string {
  const { victim, system } = kill;
  const where = facts ? ` of pod ${facts.namespace ?? '?'}/${facts.pod ?? facts.uid}` : '';
  const { meminfo } = system;
  return sentences([
    `The node was out of memory, and the kernel killed ${printable(victim.comm ?? 'a process')} (pid ${victim.pid})${where}.`,
    victim.memory && `The victim held ${formatBytes(victim.memory.rss_bytes)}.`,
    meminfo &&
      `Of ${formatBytes(meminfo.total_bytes)}: ${parts([
        ['available', meminfo.available_bytes],
        ['anonymous', meminfo.anon_bytes],
        ['shared memory', meminfo.shmem_bytes],
        ['unreclaimable slab', meminfo.slab_unreclaimable_bytes],
      ])}.`,
  ]);
}

function body(
  { id, time }: Pick<OomKill, 'id' | 'time'>,
  regarding: ObjectReference,
  reason: EventReason,
  note: string,
  node: string,
): ObjectEvent {
  return {
    ...{ apiVersion: 'events.k8s.io/v1', kind: 'Event' },
    // Events on a node are in the namespace "default", as the kubelet's are.
    metadata: { name: eventName(regarding.name, id), namespace: regarding.namespace ?? 'default' },
    eventTime: microTime(time),
    ...{ type: 'Warning', reason, action: reason === 'OOMStuck' ? 'Wait' : 'OOMKill', regarding, note },
    reportingController: CONTROLLER,
    reportingInstance: node.slice(0, MOST_INSTANCE),
  };
}

/** The name follows from the id of the kill, so that the same Event sent again is refused as existing (409). */
function eventName(object: string, id: string): string {
  const { createHash } = process.getBuiltinModule('node:crypto');
  const suffix = `.${createHash('sha256').update(id).digest('hex').slice(0, 16)}`;
  return `${object.slice(0, MOST_NAME - suffix.length).replace(/[.-]+$/, '')}${suffix}`;
}

/** null: the pod is known only by its uid, which is not enough. */
function podReference(facts: KubernetesFacts): ObjectReference | null {
  const { namespace, pod: name, uid, container, container_kind: kind } = facts;
  if (namespace === null || name === null) return null;
  const list =
    kind === 'init' || kind === 'sidecar'
      ? 'initContainers'
      : kind === 'ephemeral'
        ? 'ephemeralContainers'
        : 'containers';
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', name, uid, namespace },
    ...(container !== null && { fieldPath: `spec.${list}{${container}}` }),
  };
}

/** The kubelet, and `kubectl describe node`, take the name of the node as the uid. */
const nodeReference = (name: string): ObjectReference => ({ apiVersion: 'v1', kind: 'Node', name, uid: name });

/** RFC 3339 with microseconds, as metav1.MicroTime. @param time with nanoseconds, as in events */
export const microTime = (time: string): string => time.replace(/(\.\d{6})\d*Z$/, '$1Z');

/** Joins sentences, cut to the length that the API server accepts. */
function sentences(list: readonly (string | null | false | undefined)[]): string {
  const note = list.filter((each) => typeof each === 'string').join(' ');
  const bytes = Buffer.from(note);
  if (bytes.length <= MOST_NOTE) return note;
  // A cut in a character leaves a replacement character at the end, which is removed.
  return `${bytes.toString('utf8', 0, MOST_NOTE - 3).replace(/\ufffd+$/, '')}…`;
}

const parts = (list: readonly [name: string, bytes: number | null][]) =>
  list.flatMap(([name, bytes]) => (bytes === null || bytes === 0 ? [] : [`${formatBytes(bytes)} ${name}`])).join(', ');

/** Resident memory also has pages that are charged to other cgroups, so that it can be more than the usage. */
const share = (bytes: number, all: number | undefined) =>
  all === undefined || all === 0 || bytes > all ? '' : `, ${Math.round((100 * bytes) / all)} % of it`;
