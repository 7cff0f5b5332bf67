import { homedir } from 'node:os';
import { join } from 'node:path';

/** $XDG_CACHE_HOME/oomscope/PART: files that are expensive to make. They may be removed at any time. */
export function cacheDirectory(part: 'lab' | 'proofs'): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'oomscope', part);
}
