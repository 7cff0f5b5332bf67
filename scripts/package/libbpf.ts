/**
 * libbpf.so.1 for a package: Debian's sources of libbpf, libelf and zlib, compiled to one library that needs only the C library. Debian's
 * own static libraries are not position-independent, and its libbpf.so.1 needs two more libraries.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../cache.ts';
import { Suite } from '../lab/apt.ts';
import { makeOnce } from '../lock.ts';
import { type Architecture, crossPrefix, say } from './package.ts';

const run = promisify(execFile);
/** Source packages, each with the suite of Debian that it comes from. */
const SOURCES = { libbpf: 'trixie', elfutils: 'trixie', zlib: 'bookworm' } as const;
const NAMES = Object.keys(SOURCES) as (keyof typeof SOURCES)[];
const ELFUTILS_OPTIONS = [
  ...['--disable-debuginfod', '--disable-libdebuginfod', '--disable-nls'],
  ...['--without-bzlib', '--without-lzma', '--without-zstd'],
];

/** @returns a folder with libbpf.so.1 and LICENSE.libbpf.txt; made once for a machine and architecture */
export async function buildLibbpf(architecture: Architecture): Promise<string> {
  const sources = await fetchSources();
  const hash = createHash('sha256')
    .update(readFileSync(import.meta.filename))
    .update(
      readdirSync(sources)
        .filter((name) => name.endsWith('.dsc'))
        .sort()
        .join(' '),
    )
    .digest('hex');
  const directory = join(cacheDirectory('packages'), `libbpf-${architecture}-${hash.slice(0, 16)}`);
  return makeOnce(directory, async (work) => {
    say(`compile libbpf, libelf and zlib for ${architecture}`);
    await compile(sources, work, architecture);
    mkdirSync(join(work, 'made'));
    copyFileSync(join(work, 'libbpf.so.1'), join(work, 'made/libbpf.so.1'));
    writeFileSync(join(work, 'made/LICENSE.libbpf.txt'), licences(work));
    return join(work, 'made');
  });
}

/** The version of each source package, as Debian writes it without the epoch. */
export async function libbpfVersions(): Promise<Record<(typeof NAMES)[number], string>> {
  const names = readdirSync(await fetchSources());
  const version = (source: string) =>
    names.map((name) => new RegExp(`^${source}_(.+)\\.dsc$`).exec(name)?.[1]).find((found) => found !== undefined);
  return Object.fromEntries(NAMES.map((name) => [name, version(name) ?? 'unknown'])) as Record<
    (typeof NAMES)[number],
    string
  >;
}

/** @returns a folder with the packages' source archives and .dsc files */
async function fetchSources(): Promise<string> {
  const directory = join(cacheDirectory('packages'), `sources-${Object.entries(SOURCES).flat().join('-')}`);
  return makeOnce(directory, async (made) => {
    for (const name of new Set(Object.values(SOURCES))) {
      const wanted = NAMES.filter((source) => SOURCES[source] === name);
      say(`fetch the sources of ${wanted.join(' and ')} from Debian's suite ${name}`);
      const work = join(made, name);
      const suite = await Suite.open(name, work, { sources: true });
      for (const path of await suite.downloadSources(wanted)) renameSync(path, join(made, basename(path)));
      rmSync(work, { recursive: true });
    }
    return made;
  });
}

async function compile(sources: string, work: string, architecture: Architecture): Promise<void> {
  const [libbpf, elfutils, zlib] = await Promise.all(NAMES.map((name) => unpack(sources, work, name)));
  if (libbpf === undefined || elfutils === undefined || zlib === undefined) throw new Error('expected three sources');
  const prefix = crossPrefix(architecture);
  const compiler = `${prefix}gcc`;
  // The paths of this build must not be in the result, or two builds would differ.
  const flags = `-O2 -fPIC -ffile-prefix-map=${work}=.`;
  const env = { ...process.env, CC: compiler, AR: `${prefix}ar`, RANLIB: `${prefix}ranlib`, CFLAGS: flags };
  const jobs = `-j${cpus().length}`;
  const at = (cwd: string) => ({ cwd, env, maxBuffer: 2 ** 26 });

  await run('./configure', ['--static'], at(zlib));
  await run('make', [jobs, 'libz.a'], at(zlib));

  const cross = prefix ? [`--host=${prefix.slice(0, -1)}`] : [];
  const withZlib = { ...env, CPPFLAGS: `-I${zlib}`, LDFLAGS: `-L${zlib}` };
  await run('./configure', [...ELFUTILS_OPTIONS, ...cross], { ...at(elfutils), env: withZlib });
  await run('make', [jobs, '-C', 'lib'], { ...at(elfutils), env: withZlib });
  await run('make', [jobs, '-C', 'libelf', 'libelf_pic.a'], { ...at(elfutils), env: withZlib });

  const include = join(work, 'include');
  mkdirSync(include);
  for (const name of ['libelf.h', 'gelf.h', 'nlist.h'])
    copyFileSync(join(elfutils, 'libelf', name), join(include, name));
  copyFileSync(join(elfutils, 'libelf/elf.h'), join(include, 'elf.h'));
  const libraries = [join(elfutils, 'libelf/libelf_pic.a'), join(elfutils, 'lib/libeu.a'), join(zlib, 'libz.a')];
  await run(
    'make',
    [
      jobs,
      'NO_PKG_CONFIG=1',
      `CC=${compiler}`,
      `AR=${env.AR}`,
      `CFLAGS=${flags} -I${include} -I${zlib}`,
      `EXTRA_LDFLAGS=`,
      `OBJDIR=${work}/objects`,
      `BUILD_STATIC_ONLY=1`,
    ],
    at(join(libbpf, 'src')),
  );
  const output = join(work, 'libbpf.so.1');
  // Only libbpf's own functions are exported: another libelf in the process must not be replaced by this one.
  await run(compiler, [
    ...['-shared', '-Wl,-soname,libbpf.so.1', '-Wl,--exclude-libs,libelf_pic.a:libeu.a:libz.a', '-Wl,--build-id=sha1'],
    `-Wl,--version-script=${join(libbpf, 'src/libbpf.map')}`,
    ...['-Wl,--whole-archive', join(work, 'objects/libbpf.a'), '-Wl,--no-whole-archive'],
    ...[...libraries, '-Wl,--as-needed', '-o', output],
  ]);
  await run(`${prefix}strip`, ['--strip-unneeded', output]);
}

/** @returns the folder of the unpacked source, with Debian's patches */
async function unpack(sources: string, work: string, name: string): Promise<string> {
  const description = readdirSync(sources).find((file) => file.startsWith(`${name}_`) && file.endsWith('.dsc'));
  if (description === undefined) throw new Error(`expected a .dsc file of ${name} in ${sources}`);
  const directory = join(work, name);
  await run('dpkg-source', ['--no-check', '-x', join(sources, description), directory], { maxBuffer: 2 ** 26 });
  return directory;
}

function licences(work: string): string {
  const parts = NAMES.map((name) => `${name}\n\n${readFileSync(join(work, name, 'debian/copyright'), 'utf8')}`);
  return parts.join(`\n${'-'.repeat(80)}\n\n`);
}
