/** Chooses among the places in which a configuration may be. */
import { existsSync } from 'node:fs';

/** Where the service of this machine has its configuration: `oomscope systemd` takes the first place, and the Debian package the second. */
export const SERVICE_FILES = ['/etc/oomscope.toml', '/etc/oomscope/oomscope.toml'] as const;

export interface ChosenFile {
  file: string;
  /** Files that exist too, and are not read. */
  ignored: string[];
}

/** The first file that exists; if there is none, the last one of the list, so that an error names the usual place. */
export function chooseFile(files: readonly string[], exists: (path: string) => boolean = existsSync): ChosenFile {
  const [file = files.at(-1) ?? '', ...ignored] = [...new Set(files)].filter((path) => exists(path));
  return { file, ignored };
}

/** A sentence about files that are not read; undefined: there is none. */
export function ignoredNote({ file, ignored }: ChosenFile): string | undefined {
  if (ignored.length === 0) return undefined;
  return `${ignored.join(' and ')} ${ignored.length === 1 ? 'is' : 'are'} not read, because ${file} exists. Keep one of them.`;
}
