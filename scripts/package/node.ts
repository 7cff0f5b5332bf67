/** The Node for packages that must contain their own, because the machine may have none. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './package.ts';

/** The version that scripts/setup.sh installs where the system's Node is too old. */
export function nodeVersion(): string {
  const version = readFileSync(join(ROOT, 'scripts/setup.sh'), 'utf8').match(/^NODE=(\S+)/m)?.[1];
  if (version === undefined) throw new Error('expected a line NODE=VERSION in scripts/setup.sh');
  return version;
}
