/** The Node for packages that must contain their own, because the machine may have none. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { fetchNode } from '../lab/arm64.ts';
import { makeOnce } from '../lock.ts';
import { type Architecture, crossPrefix, ROOT } from './package.ts';

/** The version that scripts/setup.sh installs where the system's Node is too old. */
export function nodeVersion(): string {
  const version = readFileSync(join(ROOT, 'scripts/setup.sh'), 'utf8').match(/^NODE=(\S+)/m)?.[1];
  if (version === undefined) throw new Error('expected a line NODE=VERSION in scripts/setup.sh');
  return version;
}

/**
 * Node without symbols, which saves 20 MB. It is fetched and stripped once for all packages.
 *
 * @returns a folder with `node` and its LICENSE
 */
export async function packagedNode(architecture: Architecture): Promise<string> {
  const version = nodeVersion();
  const directory = join(cacheDirectory('packages'), `node-v${version}-${architecture}`);
  return makeOnce(directory, async (work) => {
    const home = await fetchNode(architecture, version, cacheDirectory('lab'));
    const made = join(work, 'made');
    mkdirSync(made);
    copyFileSync(join(home, 'bin/node'), join(made, 'node'));
    execFileSync(`${crossPrefix(architecture)}strip`, ['--strip-unneeded', join(made, 'node')]);
    chmodSync(join(made, 'node'), 0o755);
    copyFileSync(join(home, 'LICENSE'), join(made, 'LICENSE'));
    return made;
  });
}
