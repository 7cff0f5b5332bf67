/**
 * Makes small memory cgroups with a limit, on cgroup v1 or v2. In them the demo, the kernel tests and the benchmarks
 * make a process run out of memory. Every group is removed at the latest when this process exits.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { EVENTS_FILE, LIMIT_FILE, readLimit, readPairs, readPids, readUsage } from './group-files.ts';
import { delegateMemory, findHierarchy, type Hierarchy, makeDirectory } from './group-place.ts';

export { MemoryGroupUnavailable } from './group-place.ts';

const REMOVE_TIMEOUT_MS = 10_000;
const REMOVE_RETRY_MS = 5;

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

function checkBytes(name: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0) return;
  throw new RangeError(`expected ${name} to be a positive whole number of bytes, got ${bytes}`);
}
