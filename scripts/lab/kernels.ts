/**
 * The kernels of the lab: their names, the Debian suites that they come from, and the folder in which they are kept.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Btf } from '../../src/bpf/libbpf/btf.ts';
import { cacheDirectory } from '../cache.ts';
import { Suite } from './apt.ts';
import { LabError } from './error.ts';
import { type Architecture, platforms } from './platform.ts';
import { extractVmlinux, hasPvhEntry } from './vmlinux.ts';

/**
 * For each kernel name, the Debian suite that has the kernel. The kernel of bullseye (without updates) is older than
 * 5.10.235, which changed the tracepoint mark_victim.
 */
const SUITES: Readonly<Record<string, string>> = {
  '5.10': 'bullseye',
  '6.1': 'bookworm',
  '6.12': 'trixie',
  '7.2': 'sid',
};
/**
 * The dependencies of a kernel package that are parts of the kernel. Since 7.x, image and modules are separate
 * packages.
 */
const PART = /^linux-(image|binary|modules)-\d/;

export interface Kernel {
  /** "6.12", or the path that was given. */
  name: string;
  /** Debian's version, such as "6.12.107-1". For a kernel that is not from Debian, the same as `release`. */
  version: string;
  /** The output of `uname -r` on this kernel. */
  release: string;
  /** Parameter types of the tracepoint oom:mark_victim in the kernel's BTF; undefined if unknown. */
  markVictim: string[] | undefined;
  /** True when the kernel has the memory controller of cgroup v1. */
  cgroupV1: boolean;
  /** Path of the image that QEMU boots. */
  image: string;
  /** Path of /lib/modules/RELEASE; undefined if there are no modules. */
  modules: string | undefined;
}

export interface KnownKernel {
  name: string;
  suite: string;
  /** The kernel in the cache. undefined: it has not been downloaded yet. */
  cached: Kernel | undefined;
}

/** The kernels that have a name. */
export function kernels(architecture: Architecture = 'x64'): KnownKernel[] {
  return Object.entries(SUITES).map(([name, suite]) => ({ name, suite, cached: cachedKernel(name, architecture) }));
}

/**
 * Returns a kernel, and downloads it if it is not in the cache.
 *
 * @param kernel a name from `kernels()`, or the path of a vmlinuz (or vmlinux)
 * @param modules for a path: its /lib/modules/RELEASE
 * @throws LabError USAGE, NO_KERNEL
 */
export async function getKernel(kernel: string, modules?: string, architecture: Architecture = 'x64'): Promise<Kernel> {
  if (kernel.includes('/')) return kernelFile(resolve(kernel), modules === undefined ? undefined : resolve(modules));
  const suite = SUITES[kernel];
  if (suite === undefined) {
    const known = Object.keys(SUITES).join(', ');
    throw new LabError('USAGE', `--kernel: expected ${known} or the path of a vmlinuz, got "${kernel}".`);
  }
  return cachedKernel(kernel, architecture) ?? (await fetchKernel(kernel, suite, architecture));
}

/** Folder name of a kernel; x64 kernels have no suffix. */
const keptAs = (name: string, architecture: Architecture) =>
  architecture === 'x64' ? name : `${name}-${architecture}`;

function cachedKernel(name: string, architecture: Architecture): Kernel | undefined {
  const directory = join(cacheDirectory('lab'), 'kernels', keptAs(name, architecture));
  const info = join(directory, 'kernel.json');
  if (!existsSync(info)) return undefined;
  const stored = JSON.parse(readFileSync(info, 'utf8')) as Kernel;
  const modules = stored.modules === undefined ? undefined : join(directory, 'modules');
  return { ...stored, image: join(directory, 'vmlinux'), modules };
}

async function fetchKernel(name: string, suite: string, architecture: Architecture): Promise<Kernel> {
  const home = join(cacheDirectory('lab'), 'kernels');
  mkdirSync(home, { recursive: true });
  const work = mkdtempSync(join(home, 'fetching-'));
  process.stderr.write(`lab: fetch Linux ${keptAs(name, architecture)} from Debian's suite ${suite}\n`);
  try {
    const debs = await downloadKernel(suite, work, architecture);
    const tree = join(work, 'tree');
    for (const deb of debs) execFileSync('dpkg', ['-x', deb, tree]);
    const field = (field: string) =>
      execFileSync('dpkg-deb', ['-f', debs[0] ?? '', field], { encoding: 'utf8' }).trim();
    const files = readdirSync(tree, { recursive: true, encoding: 'utf8' });
    const image = files.find((file) => basename(file).startsWith('vmlinuz'));
    const kernelDirectory = files.find((file) => /lib\/modules\/[^/]+\/kernel$/.test(file));
    if (image === undefined || kernelDirectory === undefined)
      throw new Error('no vmlinuz or no modules in the package');

    const made = join(work, 'made');
    mkdirSync(made);
    const vmlinux = join(made, 'vmlinux');
    writeFileSync(vmlinux, extractVmlinux(readFileSync(join(tree, image))));
    renameSync(join(tree, kernelDirectory, '..'), join(made, 'modules'));
    const info = describe(name, vmlinux, join(made, 'modules'));
    writeFileSync(join(made, 'kernel.json'), JSON.stringify({ ...info, version: field('Version') }, null, 2));
    try {
      renameSync(made, join(home, keptAs(name, architecture)));
    } catch (error) {
      if (!cachedKernel(name, architecture)) throw error; // otherwise another process has fetched the kernel meanwhile
    }
  } catch (cause) {
    const reason =
      cause instanceof LabError ? cause.message : `its package is not as expected: ${(cause as Error).message}.`;
    const detail = cause instanceof LabError ? cause.detail : undefined;
    throw new LabError('NO_KERNEL', `Linux ${name} from Debian's suite ${suite}: ${reason}`, {
      cause,
      ...(detail === undefined ? {} : { detail }),
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const kernel = cachedKernel(name, architecture);
  if (!kernel) throw new LabError('NO_KERNEL', `Linux ${name} was removed from ${home} right after its download.`);
  return kernel;
}

async function downloadKernel(suite: string, work: string, architecture: Architecture): Promise<string[]> {
  const { kernelPackage } = platforms[architecture];
  const archive = await Suite.open(suite, work, { architecture: kernelPackage.split('-').at(-1) });
  const parts = new Set<string>();
  const add = async (name: string): Promise<void> => {
    for (const needed of await archive.depends(name)) {
      if (!PART.test(needed) || parts.has(needed)) continue;
      parts.add(needed);
      await add(needed);
    }
  };
  await add(kernelPackage);
  return archive.download([...parts]);
}

function kernelFile(path: string, modules: string | undefined): Kernel {
  if (!existsSync(path)) throw new LabError('USAGE', `--kernel: expected a kernel image, but ${path} does not exist.`);
  const { size, mtimeMs } = statSync(path);
  const key = createHash('sha256').update(`${path}\0${size}\0${mtimeMs}`).digest('hex').slice(0, 16);
  const home = join(cacheDirectory('lab'), 'images');
  const vmlinux = join(home, key);
  if (!existsSync(vmlinux)) {
    mkdirSync(home, { recursive: true });
    try {
      writeFileSync(`${vmlinux}.${process.pid}`, extractVmlinux(readFileSync(path)));
    } catch (cause) {
      throw new LabError('USAGE', `--kernel: ${path}: ${(cause as Error).message}.`, { cause });
    }
    renameSync(`${vmlinux}.${process.pid}`, vmlinux);
  }
  const info = describe(path, vmlinux, modules);
  return hasPvhEntry(readFileSync(vmlinux)) ? info : { ...info, image: path };
}

function describe(name: string, vmlinux: string, modules: string | undefined): Kernel {
  const data = readFileSync(vmlinux);
  const banner = data.indexOf('Linux version ');
  const release = data.toString('latin1', banner, banner + 200).split(' ')[2] ?? 'unknown';
  return {
    name,
    version: release,
    release,
    markVictim: markVictim(vmlinux),
    cgroupV1: data.includes('memsw.limit_in_bytes'), // a file that only the v1 controller has
    image: vmlinux,
    modules,
  };
}

function markVictim(vmlinux: string): string[] | undefined {
  try {
    const btf = Btf.ofFile(vmlinux);
    try {
      return btf.tracepoint('mark_victim');
    } finally {
      btf.free();
    }
  } catch {
    return undefined; // a kernel without BTF is also a valid test kernel
  }
}
