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

/** What to do if a native file is missing or cannot be loaded, as the end of a sentence. */
export function reinstallRemedy(): string {
  const how = installation();
  if (how === 'npm' && !hasGlibc())
    return 'the native parts need glibc, and this system has musl: use a Debian-based image';
  if (how !== 'npm' || existsSync(nativeFile(ADDON))) return remedies[how];
  return `${remedies.npm} (${platformPackage()}); if a bundler made this program, set OOMSCOPE_NATIVE to the folder of that package`;
}
