/** Which files of the compiled library its entry points need. The command is a bundle of its own, so the rest serves nobody. */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/** Folders of dist/ that have no part of the library, or that the library opens by a path of its own. */
const WHOLE = ['cli', 'vendor'];
/** The relative path in `from './x.js'`, `import './x.js'` and `import('./x.js')`, also in types. */
const IMPORTED = /\b(?:from|import)\s*\(?\s*['"](\.[^'"]*)['"]/g;

/** Every value of `exports` in package.json: strings, or conditions with strings. */
type Exports = string | { readonly [name: string]: Exports };

/**
 * Removes from FOLDER/dist what no entry point reaches, as code or as types. package.json's `exports` keep users from all other files.
 *
 * @throws Error if a file imports one that is missing
 */
export function removeUnreachable(folder: string, exports: Exports): void {
  const reached = new Set<string>();
  const visit = (path: string) => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const [, specifier = ''] of readFileSync(path, 'utf8').matchAll(IMPORTED)) {
      const named = join(dirname(path), specifier);
      const target = path.endsWith('.d.ts') ? named.replace(/\.[jt]s$/, '.d.ts') : named;
      if (!existsSync(target)) throw new Error(`expected ${target}, which ${path} imports`);
      visit(target);
    }
  };
  for (const entry of entries(exports)) visit(join(folder, entry));

  const dist = join(folder, 'dist');
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' }).sort().reverse()) {
    if (WHOLE.includes(name.split(sep)[0] ?? '')) continue;
    const path = join(dist, name);
    if (!reached.has(path)) removeFileOrEmptyFolder(path);
  }
}

function entries(exports: Exports): string[] {
  return typeof exports === 'string' ? [exports] : Object.values(exports).flatMap(entries);
}

/** A folder that is not empty stays: its files come before it in reverse order. */
function removeFileOrEmptyFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR') rmSync(path);
    else if (code !== 'ENOTEMPTY') throw error;
  }
}
