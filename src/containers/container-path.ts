/**
 * Finds the owner of a cgroup (systemd unit, pod, container) from the cgroup's path alone. systemd, the kubelet and
 * each runtime have their own rules for the names in a path. Below a container's cgroup, the container's processes
 * choose the names.
 */
import { type CgroupOwner, type Container, type ContainerRuntime, noOwner } from '../model/container.ts';

/**
 * The owner of a cgroup, from its path alone. The container has an id, but no name.
 *
 * @param path as in /proc/PID/cgroup or the kernel's log, from the root of the memory hierarchy; null: unknown
 */
export function ownerOf(path: string | null): CgroupOwner {
  return path === null ? noOwner : parsed(path).owner;
}

/**
 * All containers in a path, the innermost first. There are several if containers run in a container, or if a process
 * in a container has created a cgroup with such a name.
 */
export function containersIn(path: string | null): readonly Container[] {
  return path === null ? [] : parsed(path).containers;
}

/**
 * The path of the container's own cgroup, from the path of this cgroup or a descendant. If several cgroups in the path
 * have the container's id, it is the outermost one. null: the path is not in this container.
 */
export function containerCgroup(path: string, id: string): string | null {
  return parsed(path).cgroups.get(id) ?? null;
}

interface Parsed {
  owner: CgroupOwner;
  containers: readonly Container[];
  /** The cgroup of each container, by its id. */
  cgroups: ReadonlyMap<string, string>;
}

/**
 * How many results are cached. One kill needs the same path several times, and further kills in the cgroup need it
 * again. Parsing takes 4 µs.
 */
const remembered = new Map<string, Parsed>();
const MOST_REMEMBERED = 64;

function parsed(path: string): Parsed {
  const known = remembered.get(path);
  if (known) return known;
  const parts = partsOf(path);
  const all = found(parts);
  const [innermost] = all;
  // Below a container's cgroup the host does not choose the names: a directory there may have any name.
  const above = innermost ? parts.slice(0, innermost.at + 1) : parts;
  const containers = all.map(named);
  const cgroups = new Map(all.map(({ id, at }) => [id, `/${parts.slice(0, at + 1).join('/')}`])); // the outermost one stays
  const owner = { unit: unitOf(above), pod: podOf(above), container: containers[0] ?? null };
  const result = { owner, containers, cgroups };
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  remembered.set(path, result);
  return result;
}

interface Found {
  runtime: ContainerRuntime | null;
  id: string;
  /** Index of the container's part of the path. */
  at: number;
}

const named = ({ runtime, id }: Found): Container => ({
  ...{ runtime, id, name: null, image: null, compose_project: null, compose_service: null },
});

function partsOf(path: string): string[] {
  // /proc/PID/cgroup appends " (deleted)" if the cgroup was removed while its last process was exiting.
  const living = path.endsWith(' (deleted)') ? path.slice(0, -' (deleted)'.length) : path;
  return living.split('/').filter((part) => part !== '');
}

function found(parts: string[]): Found[] {
  return parts.flatMap((_, i) => containerAt(parts, i) ?? []).reverse();
}

const ID_LENGTH = 64;
const HEX64 = /^[0-9a-f]{64}$/;
/** "docker-ID.scope", a name by systemd drivers. The cgroupfs drivers of CRI-O and Podman leave ".scope" out. */
const PREFIXED = /^([a-z][a-z0-9_.-]*)-([0-9a-f]{64})(?:\.scope)?$/;
/** "SLICE:PREFIX:NAME": a path for systemd that runc's cgroupfs driver used as a plain name. */
const UNRESOLVED = /^([^:]*):([^:]*):([0-9a-f]{64})$/;
const PREFIXES: Record<string, ContainerRuntime> = {
  docker: 'docker',
  libpod: 'podman',
  'libpod-payload': 'podman',
  crio: 'cri-o',
  'cri-containerd': 'containerd',
  nerdctl: 'containerd',
};
/** The runtime for each parent directory whose containers have only an id as their name. */
const PARENTS: Record<string, ContainerRuntime> = {
  docker: 'docker',
  actions_job: 'docker',
  default: 'containerd', // nerdctl's namespace
  'k8s.io': 'containerd',
};
/**
 * conmon, the monitor process of Podman and CRI-O, has a cgroup beside the container's, also with the container's id.
 */
const MONITOR = /-conmon$/;

function containerAt(parts: string[], at: number): Found | undefined {
  const part = parts[at] as string;
  const parent = parts[at - 1];
  if (part.length < ID_LENGTH) return byName(part, parent, at);
  const kata =
    /^kata_([0-9a-f]{64})$/.exec(part)?.[1] ?? (parent === 'kata_overhead' && HEX64.test(part) ? part : undefined);
  if (kata !== undefined) return { runtime: 'kata', id: kata, at };
  if (HEX64.test(part)) return { runtime: own(PARENTS, parent) ?? null, id: part, at };
  const [, prefix, id] = PREFIXED.exec(part) ?? [];
  if (prefix !== undefined && id !== undefined) {
    return MONITOR.test(prefix) ? undefined : { runtime: own(PREFIXES, prefix) ?? null, id, at };
  }
  const [, , driver, name] = UNRESOLVED.exec(part) ?? [];
  if (name !== undefined) return { runtime: own(PREFIXES, driver) ?? null, id: name, at };
  return byName(part, parent, at);
}

/** How the names begin, and the directories in which any name counts: most parts of a path need no closer look. */
const NAMED = /^(?:lxc|systemd-nspawn|machine-)/;
const NAMING = new Set(['lxc', 'buildkit', 'garden']);

/** Runtimes that name a container's cgroup after the container's name, not its id. */
function byName(part: string, parent: string | undefined, at: number): Found | undefined {
  if (!NAMED.test(part) && (parent === undefined || !NAMING.has(parent))) return undefined;
  const lxc = /^lxc\.payload\.(.+)$/.exec(part)?.[1] ?? (parent === 'lxc' && at === 1 ? part : undefined);
  if (lxc !== undefined) return { runtime: 'lxc', id: lxc, at };
  const nspawn = /^systemd-nspawn@(.+)\.service$/.exec(part)?.[1];
  if (nspawn !== undefined) return { runtime: 'systemd-nspawn', id: unescapeUnit(nspawn), at };
  const machine = /^machine-(.+)\.scope$/.exec(part)?.[1];
  if (machine !== undefined) {
    const name = unescapeUnit(machine);
    return { runtime: /^(?:qemu|lxc)-\d+-/.test(name) ? 'libvirt' : 'systemd-nspawn', id: name, at };
  }
  if (parent === 'buildkit' && /^[0-9a-z]{25}$/.test(part)) return { runtime: 'buildkit', id: part, at };
  return parent === 'garden' && /^[\w-]+$/.test(part) ? { runtime: 'garden', id: part, at } : undefined;
}

const own = <T>(table: Record<string, T>, key: string | undefined) =>
  key !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;

/** systemd writes characters that are not allowed in a unit's name as \xNN. */
function unescapeUnit(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** "pod1234-…": the name that the kubelet's cgroupfs driver uses. */
const POD = /^pod([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/;
/**
 * "kubepods-burstable-pod1234_….slice": the name of its systemd driver. "_" replaces "-", which would mean another
 * level.
 */
const POD_SLICE =
  /(?:^|-)kubepods(?:-burstable|-besteffort)?-pod([0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}|[0-9a-f]{32})\.slice$/;

function podOf(parts: string[]): CgroupOwner['pod'] {
  if (!parts.some((name) => name.includes('kubepods'))) return null;
  for (let i = parts.length - 1; i >= 0; i--) {
    const part = parts[i] as string;
    const slice = UNRESOLVED.exec(part)?.[1] ?? part;
    const plain = parts.slice(0, i).some((name) => name.includes('kubepods')) ? POD.exec(part)?.[1] : undefined;
    const uid = POD_SLICE.exec(slice)?.[1]?.replaceAll('_', '-') ?? plain;
    if (uid !== undefined) return { uid, name: null, namespace: null, qos: qosOf(parts.slice(0, i + 1)) };
  }
  return null;
}

/** The kubelet puts pods of the class "guaranteed" directly below kubepods, and the others below the name of their class. */
function qosOf(parts: readonly string[]): NonNullable<CgroupOwner['pod']>['qos'] {
  const path = parts.join('/');
  return path.includes('burstable') ? 'burstable' : path.includes('besteffort') ? 'besteffort' : 'guaranteed';
}

const UNIT = /^[^:]+\.(?:service|scope|mount|swap|socket)$/;
const SLICE = /^[^:]+\.slice$/;

function unitOf(parts: string[]): string | null {
  const unit = parts.findLast((part) => UNIT.test(part)) ?? parts.findLast((part) => SLICE.test(part));
  // src/basic/cgroup-util.c of systemd, cg_escape(): a unit whose name a cgroup may not have gets a "_"
  return unit?.replace(/^_/, '') ?? null;
}
