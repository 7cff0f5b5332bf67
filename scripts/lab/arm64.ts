/**
 * Makes the userland of arm64 guests: Node from the npm registry, libraries from Debian, and this project's native
 * code, which cross compilers build into build/arm64/. Files that are newer than their sources are not built again.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { locked, makeOnce } from '../lock.ts';
import { Suite } from './apt.ts';
import { LabError } from './error.ts';
import { arm64Headers, crossTools } from './tools.ts';
import type { Userland } from './userland.ts';

const TRIPLET = 'aarch64-linux-gnu';
/** The Debian suite of the guest. Its C library must not be older than the C library of the cross compiler. */
const SUITE = 'trixie';
const PACKAGES = [
  ...['busybox-static', 'util-linux', 'libcap-ng0'],
  ...['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1', 'libbpf1', 'libelf1t64', 'zlib1g', 'libzstd1'],
];
/** Packages with native code: the name of what their build makes, and the name that native/ffi.cjs loads. */
const FFI = { '@2060.io/ref-napi': 'binding ref_bindings', 'ffi-napi': 'ffi_bindings ffi_bindings' };
/** What the build of these packages needs. */
const FFI_NEEDS = ['get-symbol-from-current-process-h', 'get-uv-event-loop-napi-h', 'node-addon-api', 'node-gyp-build'];

const run = promisify(execFile);

let made: Promise<Userland> | undefined;

/** Makes the userland once in a process; all guests share it. @throws LabError NOT_INSTALLED, NO_KERNEL, BOOT_FAILED */
export function arm64Userland(root: string, cache: string): Promise<Userland> {
  made ??= makeUserland(root, cache);
  return made;
}

async function makeUserland(root: string, cache: string): Promise<Userland> {
  crossTools();
  const debian = await makeOnce(join(cache, `debian-${SUITE}-arm64`), unpackDebian);
  const home = await fetchNode('arm64', process.versions.node, cache);
  const libraries = join(debian, 'usr/lib', TRIPLET);
  const built = await compileForArm64(root, home);
  return {
    busybox: join(debian, 'usr/bin/busybox'),
    setpriv: join(debian, 'usr/bin/setpriv'),
    node: join(home, 'bin/node'),
    file: (path) => (existsSync(join(built, path)) ? join(built, path) : join(root, path)),
    libraries: () =>
      readdirSync(libraries)
        .filter((name) => name.includes('.so'))
        .map((name) => join(libraries, name)),
  };
}

/**
 * Compiles the BPF objects, the addon and ffi-napi with cross compilers.
 *
 * @param node the folder of a Node for arm64, whose headers are used
 * @returns a folder whose build/ has the same files as the checkout's
 */
export async function compileForArm64(root: string, node: string): Promise<string> {
  crossTools();
  const built = join(root, 'build/arm64');
  mkdirSync(join(built, 'build'), { recursive: true });
  // The lock of scripts/setup.sh: neither two compilers may write the same file, nor may the npm packages change meanwhile.
  await locked(join(root, 'build/.lock'), () =>
    Promise.all([
      ...sources(join(root, 'bpf'), '.bpf.c').map((source) => compileBpf(root, source, built)),
      compileAddon(root, built),
      compileFfi(root, node, built),
      compileHog(root, built),
    ]),
  );
  return built;
}

/** @returns the folder of a Node from the npm registry, with bin/node and the headers */
export async function fetchNode(architecture: 'x64' | 'arm64', version: string, cache: string): Promise<string> {
  const fetched = await makeOnce(join(cache, `node-v${version}-${architecture}`), async (work) => {
    const wanted = `node-linux-${architecture}@${version}`;
    process.stderr.write(`lab: fetch ${wanted}\n`);
    const words = ['--prefix', work, '--no-save', '--no-package-lock', '--ignore-scripts', `--cpu=${architecture}`];
    await compile('npm', ['install', '--loglevel=error', ...words, '--force', wanted]);
    return work;
  });
  return join(fetched, `node_modules/node-linux-${architecture}`);
}

async function unpackDebian(work: string): Promise<string> {
  process.stderr.write(`lab: fetch libraries for arm64 from Debian's suite ${SUITE}\n`);
  const archive = await Suite.open(SUITE, work, { architecture: 'arm64' });
  const tree = join(work, 'tree');
  for (const deb of await archive.download(PACKAGES)) await run('dpkg', ['-x', deb, tree]);
  return tree;
}

/**
 * Compiles a BPF program as scripts/setup.sh does, but for the registers of arm64.
 *
 * @param built the directory in which build/NAME.bpf.o is written
 * @returns the path of the object
 */
export async function compileBpf(root: string, source: string, built: string): Promise<string> {
  const name = basename(source, '.bpf.c');
  const output = join(built, 'build', `${name === 'oom' ? 'oomscope' : name}.bpf.o`);
  if (!stale(output, join(root, 'bpf'))) return output;
  const words = [
    '-O2',
    '-g',
    '-target',
    'bpf',
    '-mcpu=v2',
    '-D__TARGET_ARCH_arm64',
    `-I${arm64Headers()}`,
    withoutPath(root),
  ];
  await compile('clang', [
    ...words,
    '-Wall',
    '-Wextra',
    '-Wno-unused-parameter',
    '-c',
    source,
    '-o',
    `${output}.debug`,
  ]);
  await compile('llvm-strip', ['-g', '-o', output, `${output}.debug`]);
  return output;
}

/** Builds the addon as native/CMakeLists.txt does. */
async function compileAddon(root: string, built: string): Promise<void> {
  const output = join(built, 'build/oomscope.node');
  if (!stale(output, join(root, 'native'))) return;
  const modules = join(root, 'node_modules');
  const includes = [join(modules, 'node-addon-api'), join(modules, 'node-api-headers/include')];
  await compile(`${TRIPLET}-g++`, [
    ...['-shared', '-fPIC', '-O2', '-std=c++17', '-fvisibility=hidden'],
    ...['-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DBUILDING_NODE_EXTENSION'],
    ...includes.flatMap((path) => ['-isystem', path]),
    ...sources(join(root, 'native'), '.cc'),
    ...['-o', output],
  ]);
}

async function compileHog(root: string, built: string): Promise<void> {
  const [source, output] = [join(root, 'scripts/hog.c'), join(built, 'build/hog')];
  if (stale(output, source)) await compile(`${TRIPLET}-gcc`, ['-O2', '-Wall', '-pthread', source, '-o', output]);
}

/** Builds a package's native code in a copy, with the headers of the Node that loads it. */
async function compileFfi(root: string, node: string, built: string): Promise<void> {
  const modules = 'node_modules';
  if (!stale(join(built, 'build/ffi_bindings.node'), join(root, 'package-lock.json'))) return;
  for (const name of [...Object.keys(FFI), ...FFI_NEEDS]) {
    const filter = (path: string) => basename(path) !== 'build';
    rmSync(join(built, modules, name), { recursive: true, force: true });
    cpSync(join(root, modules, name), join(built, modules, name), { recursive: true, filter });
  }
  const flags = { CFLAGS: withoutPath(built), CXXFLAGS: withoutPath(built) };
  const env = { CC: `${TRIPLET}-gcc`, CXX: `${TRIPLET}-g++`, AR: `${TRIPLET}-ar`, npm_config_nodedir: node, ...flags };
  const path = `${join(root, modules, '.bin')}:${dirname(process.execPath)}:${process.env.PATH}`;
  for (const [name, files] of Object.entries(FFI)) {
    const [made = '', loaded = ''] = files.split(' ');
    const words = ['rebuild', '--arch=arm64', '--jobs', 'max', '-C', join(built, modules, name)];
    await compile('node-gyp', words, { ...process.env, ...env, PATH: path });
    cpSync(join(built, modules, name, `build/Release/${made}.node`), join(built, `build/${loaded}.node`));
  }
}

/** The option that keeps the path of this clone out of what is compiled: two clones make the same bytes. */
const withoutPath = (root: string) => `-ffile-prefix-map=${root}=.`;

async function compile(program: string, words: readonly string[], env = process.env): Promise<void> {
  try {
    await run(program, words, { env, maxBuffer: 2 ** 26 });
  } catch (cause) {
    const { stdout, stderr } = cause as { stdout?: string; stderr?: string };
    const detail = `${stdout ?? ''}${stderr ?? (cause as Error).message}`;
    throw new LabError('BOOT_FAILED', `${program} failed while it built this project for arm64.`, { cause, detail });
  }
}

function sources(directory: string, ending: string): string[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(ending));
  return names.map((name) => join(directory, name));
}

/** Whether the output is missing, or older than a source. */
function stale(output: string, source: string): boolean {
  if (!existsSync(output)) return true;
  const files = lstatSync(source).isDirectory()
    ? readdirSync(source, { recursive: true, encoding: 'utf8' }).map((name) => join(source, name))
    : [source];
  const made = statSync(output).mtimeMs;
  return files.some((file) => statSync(file).mtimeMs > made);
}
