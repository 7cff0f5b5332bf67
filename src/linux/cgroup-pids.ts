import { type Dirent, readdirSync, readFileSync } from 'node:fs';

export interface CgroupPids {
  /** The kernel writes 0 for a process of another pid namespace. */
  pids: Set<number>;
  /** false: a file or a directory could not be read, for example because too many files are open. */
  complete: boolean;
}

/**
 * The pids in the cgroup of a directory and in all cgroups below it, as cgroup.kill and cgroup.freeze reach them.
 *
 * The names of cgroups are bytes, which need not be UTF-8.
 */
export function pidsBelow(directory: string): CgroupPids {
  const pids = new Set<number>();
  let complete = true;
  const read = <T>(from: () => T, otherwise: T): T => {
    try {
      return from();
    } catch (error) {
      complete &&= mayFail.has((error as NodeJS.ErrnoException).code ?? '');
      return otherwise;
    }
  };
  const rest = [Buffer.from(directory)];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const at = next;
    const text = read(() => readFileSync(below(at, PROCS), 'latin1'), '');
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
    const entries = read(() => readdirSync(at, { withFileTypes: true, encoding: 'buffer' }), [] as Dirent<Buffer>[]);
    for (const entry of entries) if (entry.isDirectory()) rest.push(below(at, entry.name));
  }
  return { pids, complete };
}

/**
 * ENOENT, ENODEV: the cgroup was removed. EOPNOTSUPP: it is threaded, and a cgroup above it lists its processes
 * (kernel/cgroup/cgroup.c: __cgroup_procs_start()).
 */
const mayFail: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP']);
const PROCS = Buffer.from('cgroup.procs');
const SLASH = Buffer.from('/');
const below = (directory: Buffer, name: Buffer) => Buffer.concat([directory, SLASH, name]);
