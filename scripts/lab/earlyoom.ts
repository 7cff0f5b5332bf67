/** The real earlyoom, from Debian's packages: unpacked into the cache of the lab, not installed. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { Suite } from './apt.ts';

/** The Debian suite that has a version of earlyoom. */
const suites = { '1.7': 'bookworm', '1.8.2': 'trixie', newest: 'sid' } as const;
export type EarlyoomVersion = keyof typeof suites;
export const earlyoomVersions = Object.keys(suites) as EarlyoomVersion[];

/** The path of the program. @throws LabError NO_KERNEL, NOT_INSTALLED: Debian's archive cannot be read */
export async function realEarlyoom(version: EarlyoomVersion): Promise<string> {
  const kept = join(cacheDirectory('lab'), 'earlyoom', version);
  if (!existsSync(kept)) await unpack(suites[version], kept);
  return join(kept, 'usr/bin/earlyoom');
}

async function unpack(name: string, kept: string): Promise<void> {
  const work = `${kept}.${process.pid}.new`;
  try {
    mkdirSync(join(work, 'debs'), { recursive: true });
    const suite = await Suite.open(name, join(work, 'debs'));
    const root = join(work, 'root');
    for (const file of await suite.download(['earlyoom'])) execFileSync('dpkg-deb', ['-x', file, root]);
    rmSync(kept, { recursive: true, force: true });
    renameSync(root, kept);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
