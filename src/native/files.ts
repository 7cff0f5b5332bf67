/**
 * Finds the files that are not JavaScript: the addon, the BPF objects, and the bundle of ffi-napi with its compiled
 * parts. All lie in one folder: `build/` in a checkout, in a Debian package and in a tarball; a package for the
 * platform if npm installed oomscope.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How this copy of oomscope was installed. The advice in errors depends on it. */
export type Installation = 'checkout' | 'npm' | 'deb' | 'tarball' | 'image';

/** The file name of the addon. All other native files are in the same folder. */
export const ADDON = 'oomscope.node';

let directory: string | undefined;

/**
 * Sets the folder of the native files. A program needs this only if a bundler has merged oomscope into another file,
 * because that file cannot contain native files: copy the package `@oomscope/linux-x64-glibc` (or the package of the
 * platform) beside the file, and pass its path. Call the function before the first tracer is opened. The environment
 * variable `OOMSCOPE_NATIVE` has the same effect.
 */
export function setNativeDirectory(path: string): void {
  directory = path;
}

/** The path of a native file by its name, as `oomscope.node`. The file may be missing. */
export function nativeFile(name: string): string {
  return join(nativeDirectory(), name);
}

/** The path of a native file if it exists, else "". */
export function optionalNativeFile(name: string): string {
  const path = nativeFile(name);
  return existsSync(path) ? path : '';
}

function nativeDirectory(): string {
  directory ??= process.env.OOMSCOPE_NATIVE || (findPlatformPackage() ?? join(packageRoot(), 'build'));
  return directory;
}

/**
 * The package that has the native files of this platform. Its name is among the optional dependencies of `oomscope`.
 */
export function platformPackage(): string {
  return `@oomscope/${process.platform}-${process.arch}-glibc`;
}

/** null: this is no installation by npm, or the platform's package is missing. */
function findPlatformPackage(): string | null {
  if (installation() !== 'npm') return null;
  try {
    return dirname(createRequire(import.meta.url).resolve(`${platformPackage()}/package.json`));
  } catch {
    return null;
  }
}

/** Two folders above this module, which is in dist/native or, in the command's bundle, in dist/cli. */
function packageRoot(): string {
  // A bundler that writes CommonJS leaves no URL.
  return import.meta.url ? fileURLToPath(new URL('../..', import.meta.url)) : process.cwd();
}

/** What `npm run package` wrote into the file `installation` of the package; a checkout has no such file. */
export function installation(): Installation {
  try {
    return readFileSync(join(packageRoot(), 'installation'), 'utf8').trim() as Installation;
  } catch {
    return 'checkout';
  }
}

/** Where a C library that is new enough comes from. */
const NEWER: Record<Installation, string> = {
  checkout: 'use a newer distribution, or the container image, which has its own',
  npm: 'use a newer distribution or base image',
  deb: 'use Debian 12 or later',
  tarball: 'use a newer distribution, or the container image, which has its own',
  image: 'use the image as it was made',
};

function ownGlibc(): string {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? '' : `, and this system has ${header.glibcVersionRuntime}`;
}

/** How to get capabilities, as the end of a sentence. @param names such as CAP_BPF */
export function rightsRemedy(names: readonly string[]): string {
  if (installation() !== 'image') return 'run it as root (sudo)';
  const options = names.map((name) => `--cap-add ${name.replace('CAP_', '')}`);
  return `start the container with ${options.join(' ')}`;
}

/** Is the C library of this Node glibc? The native files need it; Alpine Linux has musl. */
export function hasGlibc(): boolean {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}

const remedies: Record<Installation, string> = {
  checkout: 'run `npm run setup`',
  npm: 'install oomscope again, with its optional dependencies',
  deb: 'run `apt-get install --reinstall oomscope`',
  tarball: 'unpack the archive of this version again',
  image: 'use an image of this platform',
};

/** For each architecture that is supported, as Node names it. */
const ARCHITECTURES = ['x64', 'arm64'];

/**
 * What to do if a native file is missing or cannot be loaded, as the end of a sentence.
 *
 * @param cause the error of the loader, if there is one: it tells an old C library from a missing file
 */
export function reinstallRemedy(cause?: unknown): string {
  const how = installation();
  if (!ARCHITECTURES.includes(process.arch))
    return `oomscope runs on x64 and arm64, and this machine is ${process.arch}`;
  const needed = /version `(GLIBC(?:XX)?)_([\d.]+)' not found/.exec(String((cause as Error | undefined)?.message));
  if (needed)
    return `it needs ${needed[1] === 'GLIBC' ? `glibc ${needed[2]}` : 'a libstdc++ of GCC 12'} or later${ownGlibc()}: ${NEWER[how]}`;
  if (how === 'npm' && !hasGlibc())
    return 'the native parts need glibc, and this system has musl: use a Debian-based image';
  if (how !== 'npm' || existsSync(nativeFile(ADDON))) return remedies[how];
  return `${remedies.npm} (${platformPackage()}); if a bundler made this program, set OOMSCOPE_NATIVE to the folder of that package`;
}
