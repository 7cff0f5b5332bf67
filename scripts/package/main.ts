/**
 * Makes the packages: npm run package -- [--arch x64|arm64]... [--only npm|deb|tarball|image]... [--output DIR]
 *
 * Without options every package for both architectures, in build/packages/, with a file SHA256SUMS. Two runs on the same commit make
 * the same bytes. A package gets its name when it is whole, and SHA256SUMS comes last: a stopped run leaves no half of a file. Needs
 * Debian 12 or what is compatible with its C library.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../bench/report.ts';
import { makeDeb } from './deb.ts';
import { makeImage } from './image.ts';
import { collectNativeFiles } from './native-files.ts';
import { packMain, packPlatform } from './npm.ts';
import { ARCHITECTURES, type Architecture, ROOT, say, sha256 } from './package.ts';
import { makeTarball } from './tarball.ts';

const KINDS = ['npm', 'deb', 'tarball', 'image'];

const { values } = parseArgs({
  options: {
    arch: { type: 'string', multiple: true, default: [...ARCHITECTURES] },
    only: { type: 'string', multiple: true, default: KINDS },
    output: { type: 'string', default: join(ROOT, 'build/packages') },
  },
});
for (const [option, given, allowed] of [
  ['--arch', values.arch, ARCHITECTURES],
  ['--only', values.only, KINDS],
] as const) {
  const wrong = given.find((one) => !allowed.includes(one as never));
  if (wrong !== undefined) {
    say(`${option}: expected ${allowed.join(', ')}, got "${wrong}"`);
    process.exit(2);
  }
}

const output = resolve(values.output);
const work = join(output, '.work');
const unfinished = join(work, 'packages');
rmSync(output, { recursive: true, force: true });
mkdirSync(unfinished, { recursive: true });
const finish = (path: string) => {
  renameSync(path, join(output, basename(path)));
  say(`made ${basename(path)}`);
};
const architectures = values.arch as Architecture[];
const wanted = new Set(values.only);
for (const architecture of architectures) {
  const native = await collectNativeFiles(architecture, join(work, `native-${architecture}`));
  if (wanted.has('npm')) finish(packPlatform(architecture, native, work, unfinished));
  if (wanted.has('tarball')) finish(await makeTarball(architecture, native, work, unfinished));
  if (wanted.has('deb')) finish(await makeDeb(architecture, native, work, unfinished));
  if (wanted.has('image')) finish(await makeImage(architecture, native, work, unfinished));
}
if (wanted.has('npm')) finish(packMain(ARCHITECTURES, work, unfinished));
const names = readdirSync(output)
  .filter((name) => name !== basename(work))
  .sort();
const sums = join(unfinished, 'SHA256SUMS');
writeFileSync(sums, names.map((name) => `${sha256(join(output, name))}  ${name}\n`).join(''));
renameSync(sums, join(output, basename(sums)));
rmSync(work, { recursive: true });

const rows = names.map((name) => [name, (statSync(join(output, name)).size / 1e6).toFixed(2)]);
process.stdout.write(`${table([['package', 'MB'], ...rows])}\n`);
