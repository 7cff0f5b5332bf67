/** Versions by Semantic Versioning, and the files that contain the one of this project. */
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/;

/** Why a version cannot follow another; undefined: it can. */
export function versionProblem(next: string | undefined, current: string): string | undefined {
  const parts = VERSION.exec(next ?? '')
    ?.slice(1)
    .map(Number);
  if (next === undefined || !parts)
    return `Expected a version such as 0.2.0, got ${next === undefined ? 'none' : JSON.stringify(next)}.`;
  const before = VERSION.exec(current)?.slice(1).map(Number) ?? [];
  const differing = parts.findIndex((part, i) => part !== before[i]);
  const isNewer = differing !== -1 && (parts[differing] as number) > (before[differing] ?? -1);
  return isNewer ? undefined : `Expected a version newer than ${current}, got ${next}.`;
}

type Edit = (text: string, current: string, next: string) => string;

/** The tag of the container image. */
const image: Edit = (text, current, next) => text.replaceAll(`oomscope:${current}`, `oomscope:${next}`);

/** How each file that has the version gets another one. */
const EDITS: Record<string, Edit> = {
  'package.json': (text, current, next) => text.replace(`"version": "${current}"`, `"version": "${next}"`),
  'package-lock.json': (text, _, next) => {
    const lock = JSON.parse(text) as { version: string; packages: { '': { version: string } } };
    lock.version = next;
    lock.packages[''].version = next;
    return `${JSON.stringify(lock, null, 2)}\n`;
  },
  'src/version.ts': (text, current, next) => text.replace(`'${current}'`, `'${next}'`),
  'docs/install.md': (text, current, next) => text.replaceAll(current, next),
  'docs/kubernetes.md': image,
  'docs/reference/options.md': image,
};

/** The files that a release changes, besides the changelog. */
export const versionedFiles: readonly string[] = Object.keys(EDITS);

/** @returns for each file its text with the new version. @throws Error if a file does not have the current version */
export function withVersion(root: string, current: string, next: string): Map<string, string> {
  const texts = Object.entries(EDITS).map(([file, edit]): [string, string] => {
    const text = readFileSync(join(root, file), 'utf8');
    const changed = edit(text, current, next);
    if (changed === text) throw new Error(`${file}: expected the version ${current} in it`);
    return [file, changed];
  });
  return new Map(texts);
}

export function writeAll(root: string, texts: ReadonlyMap<string, string>): void {
  for (const [file, text] of texts) {
    const path = join(root, file);
    const { atime, mtime } = statSync(path);
    writeFileSync(path, text);
    // No dependency changes with the version. With a new time, scripts/setup.sh would install all of them again.
    if (file === 'package-lock.json') utimesSync(path, atime, mtime);
  }
}
