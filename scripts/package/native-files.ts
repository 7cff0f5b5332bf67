/** The native files of one architecture: what is compiled of this project, the bindings of ffi-napi, and libbpf. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { compileForArm64, fetchNode } from '../lab/arm64.ts';
import { buildLibbpf } from './libbpf.ts';
import { nodeVersion } from './node.ts';
import { type Architecture, crossPrefix, ROOT, say } from './package.ts';

/** BPF objects that only tests, benches and the build use. */
const NOT_SHIPPED = new Set(['flood.bpf.o', 'stall-flood.bpf.o', 'wire.bpf.o']);
/** The highest version of each library's symbols that Debian 12 has. A file that was compiled on a newer system may need more. */
const FLOORS = { GLIBC: '2.36', GLIBCXX: '3.4.30', CXXABI: '1.3.13' } as const;

/**
 * Compiles what is stale, and collects the files.
 *
 * @returns the folder
 * @throws Error if a file needs a newer C library than the one of Debian 12
 */
export async function collectNativeFiles(architecture: Architecture, into: string): Promise<string> {
  const built = join(await compiledFor(architecture), 'build');
  const libbpf = await buildLibbpf(architecture);
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  const objects = readdirSync(built).filter((name) => name.endsWith('.bpf.o') && !NOT_SHIPPED.has(name));
  for (const name of ['oomscope.node', 'ffi_bindings.node', 'ref_bindings.node', 'hog', ...objects]) {
    copy(join(built, name), join(into, name), name.includes('.o') ? 0o644 : 0o755);
  }
  for (const name of ['ffi.cjs', 'LICENSE.ffi.txt']) copy(join(ROOT, 'build', name), join(into, name), 0o644);
  copy(join(libbpf, 'libbpf.so.1'), join(into, 'libbpf.so.1'), 0o755);
  copy(join(libbpf, 'LICENSE.libbpf.txt'), join(into, 'LICENSE.libbpf.txt'), 0o644);
  copy(join(ROOT, 'bpf/LICENSE'), join(into, 'LICENSE.bpf.txt'), 0o644);
  for (const name of readdirSync(into)) {
    if (!/(\.node|\.so\.1|^hog)$/.test(name)) continue;
    execFileSync(`${crossPrefix(architecture)}strip`, ['--strip-unneeded', join(into, name)]);
    checkFloor(join(into, name));
  }
  return into;
}

async function compiledFor(architecture: Architecture): Promise<string> {
  if (architecture === process.arch) return ROOT;
  if (architecture !== 'arm64') throw new Error(`expected the machine to be x64 for packages of ${architecture}`);
  say('compile the native files for arm64');
  return compileForArm64(ROOT, await fetchNode('arm64', nodeVersion(), cacheDirectory('lab')));
}

function copy(from: string, to: string, mode: number): void {
  copyFileSync(from, to);
  chmodSync(to, mode);
}

function checkFloor(path: string): void {
  const symbols = execFileSync('objdump', ['-T', path], { encoding: 'utf8' });
  for (const [library, floor] of Object.entries(FLOORS)) {
    const needed = [...symbols.matchAll(new RegExp(`\\b${library}_([0-9.]+)`, 'g'))].map((match) => match[1] ?? '');
    const higher = needed.find((version) => version.localeCompare(floor, 'en', { numeric: true }) > 0);
    if (higher !== undefined) {
      throw new Error(
        `${path} needs ${library}_${higher}, and Debian 12 has ${floor}: make the packages on Debian 12, or in a chroot of it.`,
      );
    }
  }
}
