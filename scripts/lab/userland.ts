/** The programs of a guest and this project as built for it; for x64 those of this machine. */
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { tools } from './tools.ts';

export interface Userland {
  busybox: string;
  node: string;
  setpriv: string;
  /** Path of a file of this project; a built file may be elsewhere than its name says. */
  file(path: string): string;
  /** The shared libraries of programs and addons, and their loader. */
  libraries(native: readonly string[]): string[];
}

export function ownUserland(root: string): Userland {
  const { busybox, setpriv } = tools();
  return {
    busybox,
    setpriv,
    node: realpathSync(join(root, 'build/node/bin/node')),
    file: (path) => join(root, path),
    libraries(native) {
      const output = execFileSync('ldd', native, { encoding: 'utf8' });
      return [...new Set([...output.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? ''))];
    },
  };
}
