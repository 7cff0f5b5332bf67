/**
 * Makes the packages: npm run package -- [--arch x64|arm64]... [--only npm|deb|tarball|image]... [--output DIR]
 *
 * Without options every package for both architectures, in build/packages/, with a file SHA256SUMS. Two runs on the same commit make
 * the same bytes. Needs Debian 12 or what is compatible with its C library.
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
rmSync(output, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
const architectures = values.arch as Architecture[];
const wanted = new Set(values.only);
for (const architecture of architectures) {
  const native = await collectNativeFiles(architecture, join(work, `native-${architecture}`));
  if (wanted.has('npm')) say(`made ${basename(packPlatform(architecture, native, work, output))}`);
  if (wanted.has('tarball')) say(`made ${basename(await makeTarball(architecture, native, work, output))}`);
  if (wanted.has('deb')) say(`made ${basename(await makeDeb(architecture, native, work, output))}`);
  if (wanted.has('image')) say(`made ${basename(await makeImage(architecture, native, work, output))}`);
}
if (wanted.has('npm')) say(`made ${basename(packMain(ARCHITECTURES, work, output))}`);
rmSync(work, { recursive: true });

const names = readdirSync(output).sort();
writeFileSync(join(output, 'SHA256SUMS'), names.map((name) => `${sha256(join(output, name))}  ${name}\n`).join(''));
const rows = names.map((name) => [name, (statSync(join(output, name)).size / 1e6).toFixed(2)]);
process.stdout.write(`${table([['package', 'MB'], ...rows])}\n`);
