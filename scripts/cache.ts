import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The directory $XDG_CACHE_HOME/oomscope/PART, for files that are expensive to make. Users may remove it at any time.
 */
export function cacheDirectory(part: 'lab' | 'proofs' | 'packages' | 'kubernetes'): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'oomscope', part);
}
