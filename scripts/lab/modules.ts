/**
 * The kernel modules that a guest needs and the modules on which these depend, in the order in which they can be
 * inserted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decompress } from './vmlinux.ts';

export interface Module {
  name: string;
  data: Buffer;
}

/**
 * @param directory /lib/modules/RELEASE. Packages have no modules.dep, so the dependencies are read from each module.
 * @param names names of missing modules are ignored: they may be built into the kernel
 */
export function collectModules(directory: string, names: readonly string[]): Module[] {
  const files = new Map(
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.ko(\.\w+)?$/.test(file))
      .map((file) => [moduleName(file), file]),
  );
  const found = new Map<string, Module>();
  const add = (name: string): void => {
    const file = files.get(name);
    if (file === undefined || found.has(name)) return;
    const stored = readFileSync(join(directory, file));
    const data = file.endsWith('.ko') ? stored : decompress(stored);
    for (const needed of dependencies(data)) add(needed);
    found.set(name, { name, data });
  };
  for (const name of names) add(name);
  return [...found.values()];
}

/** The name of a module. The kernel treats "-" and "_" in it as equal. */
function moduleName(file: string): string {
  return (/([^/]+)\.ko/.exec(file)?.[1] ?? '').replaceAll('-', '_');
}

/** Reads the .modinfo section, a list of zero-terminated "key=value". */
function dependencies(module: Buffer): string[] {
  const text = /\0depends=([^\0]*)\0/.exec(module.toString('latin1'))?.[1] ?? '';
  return text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => name.replaceAll('-', '_'));
}
