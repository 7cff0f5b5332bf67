import { createHash } from 'node:crypto';
import { bootId } from '../linux/boot-id.ts';
import { readIfPresent } from '../linux/read-if-present.ts';

/**
 * A hash that tells machines of the same name apart. machine-id(5) asks programs not to show the id itself. A machine
 * without the file gets a hash of its boot id.
 */
export function machineHash(root = ''): string {
  const id = readIfPresent(`${root}/etc/machine-id`)?.trim() || bootId() || 'unknown';
  return createHash('sha256').update(`oomscope ${id}`).digest('hex').slice(0, 12);
}
