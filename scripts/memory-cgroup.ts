/**
 * Makes small memory cgroups with a limit, on cgroup v1 or v2. In them the demo, the kernel tests and the benchmarks
 * make a process run out of memory. Every group is removed at the latest when this process exits.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

const MIB = 2 ** 20;
/** In addition to the limit of a new group, its ancestors must have this much memory left. */
const SPARE_BYTES = 64 * MIB;
/** The value that means "no limit" on v1: LONG_MAX rounded down to whole pages. */
const V1_UNLIMITED_BYTES = 2 ** 62;
const LIMIT_FILE = { 1: 'memory.limit_in_bytes', 2: 'memory.max' } as const;
const USAGE_FILE = { 1: 'memory.usage_in_bytes', 2: 'memory.current' } as const;
const EVENTS_FILE = { 1: 'memory.oom_control', 2: 'memory.events' } as const;
const REMOVE_TIMEOUT_MS = 10_000;
const REMOVE_RETRY_MS = 5;

/** Thrown when no memory cgroup can be made on this machine. The message is one sentence that says why. */
export class MemoryGroupUnavailable extends Error {
  override readonly name = 'MemoryGroupUnavailable';
}

export interface MemoryGroupOptions {
  /** The limit, in bytes; the kernel rounds it down to whole pages. */
  limitBytes: number;
  /** Directory of the parent group: by default the process's own group, or the nearest usable ancestor. */
  parent?: string;
  /** Name of the group's directory. By default `oomscope-<pid>-<number>`. */
  name?: string;
  /** True when the group may swap. By default it may not, if the kernel can forbid it. */
  swap?: boolean;
}

/** The group's counters. `oom_kill` always exists; on v1 it does not include kills in groups below this one. */
export type MemoryGroupEvents = { oom_kill: number } & Record<string, number>;

export interface MemoryGroup {
  /** The directory of the group. */
  readonly path: string;
  /** The path of the group as in /proc/PID/cgroup. Outside a cgroup namespace, the kernel log has the same path. */
  readonly cgroupPath: string;
  readonly version: 1 | 2;
  setLimit(bytes: number): void;
  /** Reads `memory.events`, or on v1 the counters in `memory.oom_control`. */
  events(): MemoryGroupEvents;
  /** Bytes charged to the group now. */
  usage(): number;
  /** Pids of the members, without the members of groups below. */
  procs(): number[];
  /**
   * Makes a group below this one, without a limit unless given. On v2 the group must have no members.
   */
  child(name: string, limitBytes?: number): MemoryGroup;
  /**
   * Kills the members and removes the group with all groups below. Blocks while the members exit, for at most 10 s,
   * then throws. Does nothing if the group does not exist any more.
   */
  remove(): void;
}

/**
 * Makes a memory cgroup with a limit.
 *
 * @throws MemoryGroupUnavailable when there is no memory controller, no permission, or so little memory outside that
 * another
 *   group would run out first.
 */
export function createMemoryGroup(options: MemoryGroupOptions): MemoryGroup {
  const hierarchy = findHierarchy();
  const name = options.name ?? `oomscope-${process.pid}-${++created}`;
  checkBytes('limitBytes', options.limitBytes);
  if (options.parent !== undefined && relative(hierarchy.mountPoint, options.parent).startsWith('..')) {
    throw new RangeError(`expected parent to be a directory beneath ${hierarchy.mountPoint}, got ${options.parent}`);
  }
  const path = makeDirectory(hierarchy, options, name);
  const group = new CgroupDirectory(hierarchy, path, options.swap ?? false);
  if (groups.size === 0) process.on('exit', removeAtExit);
  groups.add(group);
  try {
    group.setLimit(options.limitBytes);
  } catch (error) {
    group.remove();
    throw error;
  }
  return group;
}

/** Removes every group made by this process, for the end of a test. */
export function removeMemoryGroups(): void {
  for (const group of groups) group.remove();
}

let created = 0;
const groups = new Set<CgroupDirectory>();

function removeAtExit(): void {
  for (const group of groups) {
    try {
      group.remove();
    } catch {
      // The process is exiting: a group that cannot be removed must not change its exit code.
    }
  }
}

/** The mounted hierarchy that has the memory controller. */
interface Hierarchy {
  version: 1 | 2;
  mountPoint: string;
  /** The cgroup at `mountPoint`: `/`, except in containers, which see only their own cgroup. */
  mountRoot: string;
  /** The group of this process, as in /proc/self/cgroup. */
  ownPath: string;
}

class CgroupDirectory implements MemoryGroup {
  readonly path: string;
  readonly cgroupPath: string;
  readonly version: 1 | 2;
  readonly #hierarchy: Hierarchy;
  readonly #swap: boolean;

  constructor(hierarchy: Hierarchy, path: string, swap: boolean) {
    this.#hierarchy = hierarchy;
    this.#swap = swap;
    this.path = path;
    this.version = hierarchy.version;
    this.cgroupPath = join(hierarchy.mountRoot, relative(hierarchy.mountPoint, path));
    // Before 5.11 a v1 group limits its descendants only with memory.use_hierarchy.
    if (this.version === 1) this.#writeIfPossible('memory.use_hierarchy', '1');
    if (!swap) this.#writeIfPossible(this.version === 1 ? 'memory.swappiness' : 'memory.swap.max', '0');
  }

  setLimit(bytes: number): void {
    checkBytes('limit', bytes);
    // On v1 the limit of memory plus swap may never be lower than that of memory, so it is raised first and lowered
    // last.
    const memsw = this.version === 1 && !this.#swap;
    const lower = bytes < readLimit(this.path, this.version);
    if (memsw && !lower) this.#writeIfPossible('memory.memsw.limit_in_bytes', String(bytes));
    writeFileSync(join(this.path, LIMIT_FILE[this.version]), String(bytes));
    if (memsw && lower) this.#writeIfPossible('memory.memsw.limit_in_bytes', String(bytes));
  }

  events(): MemoryGroupEvents {
    return { oom_kill: 0, ...readPairs(this.path, EVENTS_FILE[this.version]) };
  }

  usage(): number {
    return readUsage(this.path, this.version);
  }

  procs(): number[] {
    return readPids(this.path);
  }

  child(name: string, limitBytes?: number): MemoryGroup {
    if (limitBytes !== undefined) checkBytes('limitBytes', limitBytes);
    if (this.version === 2) delegateMemory(this.path);
    const path = join(this.path, name);
    mkdirSync(path);
    const group = new CgroupDirectory(this.#hierarchy, path, this.#swap);
    if (limitBytes !== undefined) group.setLimit(limitBytes);
    return group;
  }

  remove(): void {
    removeTree(this.path, this.#hierarchy, performance.now() + REMOVE_TIMEOUT_MS);
    groups.delete(this);
    if (groups.size === 0) process.off('exit', removeAtExit);
  }

  /** Writes a file that this kernel may lack (for example without swap accounting), or whose value may be fixed. */
  #writeIfPossible(file: string, text: string): void {
    try {
      writeFileSync(join(this.path, file), text);
    } catch {
      // The group also works without this file, but then it can swap.
    }
  }
}

function findHierarchy(): Hierarchy {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trimEnd().split('\n');
  const own = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).filter((match) => match !== null);
  const v1 = own.find((match) => match[1]?.split(',').includes('memory'));
  const ownPath = (v1 ?? own.find((match) => match[1] === ''))?.[2];
  if (ownPath === undefined) throw new MemoryGroupUnavailable('this kernel has no memory cgroups');

  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n')) {
    const [mount = '', source = ''] = line.split(' - ');
    const [, , , mountRoot = '', mountPoint = ''] = mount.split(' ');
    const [type, , superOptions = ''] = source.split(' ');
    if (v1 && type === 'cgroup' && superOptions.split(',').includes('memory')) {
      return { version: 1, mountPoint, mountRoot, ownPath };
    }
    if (!v1 && type === 'cgroup2' && controllers(mountPoint, 'cgroup.controllers').includes('memory')) {
      return { version: 2, mountPoint, mountRoot, ownPath };
    }
  }
  throw new MemoryGroupUnavailable('no mounted cgroup hierarchy has the memory controller');
}

/** Makes the directory of the group in the first parent in which this is permitted. */
function makeDirectory(hierarchy: Hierarchy, options: MemoryGroupOptions, name: string): string {
  const parents = options.parent === undefined ? defaultParents(hierarchy) : [options.parent];
  const refusals: string[] = [];
  for (const parent of parents) {
    try {
      accessSync(parent, constants.W_OK);
      if (hierarchy.version === 2) delegateMemory(parent);
      checkRoom(hierarchy, parent, options.limitBytes);
      mkdirSync(join(parent, name));
      return join(parent, name);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (error instanceof MemoryGroupUnavailable || code === 'EEXIST') throw error;
      refusals.push(`${parent}: ${code ?? String(error)}`);
    }
  }
  throw new MemoryGroupUnavailable(`no memory cgroup can be made beneath ${refusals.join(', ')}`);
}

/**
 * The group of this process and its ancestors, up to the mount point. On v2 the process's own group is rarely usable: a
 * group with members cannot enable the memory controller for its children, unless it is the root.
 */
function defaultParents(hierarchy: Hierarchy): string[] {
  const inside = relative(hierarchy.mountRoot, hierarchy.ownPath);
  const parents = [hierarchy.mountPoint];
  if (inside === '' || inside.startsWith('..')) return parents;
  for (let path = inside; path !== '.'; path = dirname(path)) {
    parents.splice(-1, 0, join(hierarchy.mountPoint, path));
  }
  return parents;
}

/** On v2: enables the memory controller for the children of this group. Throws EBUSY when the group has members. */
function delegateMemory(path: string): void {
  if (controllers(path, 'cgroup.subtree_control').includes('memory')) return;
  writeFileSync(join(path, 'cgroup.subtree_control'), '+memory');
}

function controllers(path: string, file: string): string[] {
  return readFileSync(join(path, file), 'utf8').trim().split(' ');
}

/** Only the new group may run out of memory: its ancestors and the machine must have room for its whole limit. */
function checkRoom(hierarchy: Hierarchy, parent: string, limitBytes: number): void {
  const prefix = hierarchy.version === 1 ? 'total_' : '';
  const needed = limitBytes + SPARE_BYTES;
  const available = readPairs('/proc', 'meminfo')['MemAvailable:'] ?? 0;
  const refuse = (where: string, bytes: number): never => {
    const [need, have] = [needed, bytes].map((number) => Math.floor(number / MIB));
    throw new MemoryGroupUnavailable(`${where} has ${have} MiB left, but a group with this limit needs ${need} MiB`);
  };
  if (available * 1024 < needed) refuse('the machine', available * 1024);
  for (let path = parent; path.startsWith(hierarchy.mountPoint); path = dirname(path)) {
    const limit = readLimit(path, hierarchy.version);
    if (limit === Infinity) continue;
    const stat = readPairs(path, 'memory.stat');
    const cache = (stat[`${prefix}active_file`] ?? 0) + (stat[`${prefix}inactive_file`] ?? 0);
    const left = limit - readUsage(path, hierarchy.version) + cache;
    if (left < needed) refuse(path, left);
  }
}

function removeTree(path: string, hierarchy: Hierarchy, deadline: number): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(path, entry.name), hierarchy, deadline);
  }
  const cgroupPath = join(hierarchy.mountRoot, relative(hierarchy.mountPoint, path));
  for (;;) {
    killMembers(path, cgroupPath);
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EBUSY' || performance.now() > deadline) {
        throw new Error(`cannot remove the cgroup ${path}: ${code}, members: ${readPids(path).join(' ') || 'none'}`);
      }
    }
    // A killed process is a member until it has exited. The wait is synchronous, because exit hooks cannot await.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REMOVE_RETRY_MS);
  }
}

/** Reads the members again before each kill: a pid that was read a moment ago may belong to another process by now. */
function killMembers(path: string, cgroupPath: string): void {
  for (const pid of readPids(path)) {
    try {
      if (pid !== process.pid && isMember(pid, cgroupPath)) process.kill(pid, 'SIGKILL');
    } catch {
      // The process has already exited.
    }
  }
}

/**
 * Reads the cgroup of the threads. An exited leader with living threads is still a member, but on v1 its own file
 * says "/".
 */
function isMember(pid: number, cgroupPath: string): boolean {
  return readdirSync(`/proc/${pid}/task`).some((tid) => {
    const memberships = readFileSync(`/proc/${pid}/task/${tid}/cgroup`, 'utf8').trimEnd().split('\n');
    return memberships.some((line) => line.endsWith(`:${cgroupPath}`));
  });
}

/**
 * Reads pids without 0. The kernel prints 0 for a process of another pid namespace, and kill(2) would signal a
 * process group.
 */
function readPids(path: string): number[] {
  const lines = readFileSync(join(path, 'cgroup.procs'), 'utf8').trim().split('\n');
  return lines.map(Number).filter((pid) => pid > 0);
}

/** The limit in bytes. Infinity for "no limit", and for the root group, which has no such file on v2. */
function readLimit(path: string, version: 1 | 2): number {
  const file = join(path, LIMIT_FILE[version]);
  if (!existsSync(file)) return Infinity;
  const bytes = Number(readFileSync(file, 'utf8'));
  return bytes < V1_UNLIMITED_BYTES ? bytes : Infinity;
}

function readUsage(path: string, version: 1 | 2): number {
  return Number(readFileSync(join(path, USAGE_FILE[version]), 'utf8'));
}

function readPairs(path: string, file: string): Record<string, number> {
  const lines = readFileSync(join(path, file), 'utf8').trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/\s+/)).map(([key, value]) => [key, Number(value)]));
}

function checkBytes(name: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0) return;
  throw new RangeError(`expected ${name} to be a positive whole number of bytes, got ${bytes}`);
}
