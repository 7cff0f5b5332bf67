/** The programs of a guest, and this project as it is built for the guest. For x64 both are taken from this machine. */
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from './error.ts';
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
      const libbpf = systemLibbpf(); // the addon loads it by itself
      const output = execFileSync('ldd', [...native, libbpf], { encoding: 'utf8' });
      const needed = [...output.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? '');
      return [...new Set([...needed, libbpf])];
    },
  };
}

/** The path of the libbpf.so.1 that the dynamic loader finds on this machine. */
function systemLibbpf(): string {
  const known = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  const path = known.match(/^\s*libbpf\.so\.1 .*=> (\S+)$/m)?.[1];
  if (path === undefined) throw new LabError('NOT_INSTALLED', 'libbpf.so.1 is not installed (Debian: libbpf1).');
  return path;
}
