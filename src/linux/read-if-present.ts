import { readFileSync } from 'node:fs';

/** The text of a file; undefined if it does not exist or cannot be read. */
export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
