/** The real earlyoom, from Debian's packages. */
import { join } from 'node:path';
import { unpackedPackage } from './debian-program.ts';

/** The Debian suite that has a version of earlyoom. */
const suites = { '1.7': 'bookworm', '1.8.2': 'trixie', newest: 'sid' } as const;
export type EarlyoomVersion = keyof typeof suites;
export const earlyoomVersions = Object.keys(suites) as EarlyoomVersion[];

/** The path of the program. @throws LabError NO_KERNEL, NOT_INSTALLED: Debian's archive cannot be read */
export const realEarlyoom = async (version: EarlyoomVersion): Promise<string> =>
  join(await unpackedPackage('earlyoom', suites[version], version), 'usr/bin/earlyoom');
