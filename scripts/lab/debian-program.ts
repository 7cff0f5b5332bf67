/** Programs from Debian's packages: unpacked into the cache of the lab, not installed. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { Suite } from './apt.ts';

/**
 * The directory with the files of a package. @param version names the directory
 *
 * @throws LabError NO_KERNEL, NOT_INSTALLED: Debian's archive cannot be read
 */
export async function unpackedPackage(name: string, suite: string, version: string): Promise<string> {
  const kept = join(cacheDirectory('lab'), name, version);
  if (existsSync(kept)) return kept;
  const work = `${kept}.${process.pid}.new`;
  try {
    mkdirSync(join(work, 'debs'), { recursive: true });
    const opened = await Suite.open(suite, join(work, 'debs'));
    const root = join(work, 'root');
    for (const file of await opened.download([name])) execFileSync('dpkg-deb', ['-x', file, root]);
    rmSync(kept, { recursive: true, force: true });
    renameSync(root, kept);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return kept;
}
