/** The tree that needs nothing of its machine but the C library, with its own Node; and the archive of that tree. */
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCompletions } from './completions.ts';
import { writeManPages } from './man.ts';
import { packagedNode } from './node.ts';
import { copyProgram } from './npm.ts';
import { type Architecture, archive, manifest, ROOT } from './package.ts';

/** The dynamic loader that Node names; oomscope.sh looks for it. */
const LOADERS: Record<Architecture, string> = {
  x64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
};

/** @param installation what the program tells of itself. @param native the folder with the native files */
export async function makeTree(
  into: string,
  architecture: Architecture,
  native: string,
  installation: 'tarball' | 'deb' | 'image',
): Promise<void> {
  rmSync(into, { recursive: true, force: true });
  copyProgram(into, installation);
  // Only the command: a library needs npm, which has packages of its own.
  rmSync(join(into, 'dist'), { recursive: true });
  for (const name of ['dist/cli', 'dist/vendor']) cpSync(join(ROOT, name), join(into, name), { recursive: true });
  cpSync(native, join(into, 'build'), { recursive: true });
  writeFileSync(
    join(into, 'package.json'),
    `${JSON.stringify({ name: manifest.name, version: manifest.version, type: 'module' })}\n`,
  );
  const node = await packagedNode(architecture);
  mkdirSync(join(into, 'bin'));
  cpSync(join(node, 'node'), join(into, 'bin/node'));
  writeFileSync(join(into, 'bin/loader'), `${LOADERS[architecture]}\n`);
  cpSync(join(node, 'LICENSE'), join(into, 'LICENSE.node.txt'));
  symlinkSync('scripts/oomscope.sh', join(into, 'oomscope'));
  // oomscope.sh starts them with the Node of the package: as programs of their own they would look for another.
  for (const name of ['scripts/oomscope.cjs', 'dist/cli/main.js']) withoutInterpreter(join(into, name));
}

function withoutInterpreter(path: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^#!.*\n/, ''));
  chmodSync(path, 0o644);
}

/** @returns the archive's path */
export async function makeTarball(
  architecture: Architecture,
  native: string,
  work: string,
  output: string,
): Promise<string> {
  const name = `oomscope-${manifest.version}-linux-${architecture}`;
  const folder = join(work, `tarball-${architecture}`);
  const tree = join(folder, name);
  await makeTree(tree, architecture, native, 'tarball');
  await writeManPages(join(tree, 'share/man'));
  await writeCompletions(join(tree, 'share'));
  for (const file of ['README.md', 'CHANGELOG.md']) cpSync(join(ROOT, file), join(tree, file));
  const path = join(output, `${name}.tar.gz`);
  archive(folder, [name], path);
  return path;
}
