import { readFileSync } from 'node:fs';

/** The text of a file; undefined when it does not exist or may not be read. */
export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
