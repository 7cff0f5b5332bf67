/** Packages for npm: `oomscope`, and one with the native files for each platform. None has an install script or needs the network. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Architecture, archive, manifest, ROOT } from './package.ts';
import { removeUnreachable } from './reachable.ts';

/** Fields of this repository's package.json that the published one keeps. */
const KEPT = ['name', 'version', 'description', 'license', 'type', 'engines', 'os', 'bin', 'exports', 'types'];
const KEPT_TOO = ['peerDependencies', 'peerDependenciesMeta'];

export const platformName = (architecture: Architecture) => `@oomscope/linux-${architecture}-glibc`;

/** @param native the folder with the native files. @returns the tarball's path */
export function packPlatform(architecture: Architecture, native: string, work: string, output: string): string {
  const folder = join(work, `npm-${architecture}`);
  const inside = join(folder, 'package');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(inside, { recursive: true });
  cpSync(native, inside, { recursive: true });
  cpSync(join(ROOT, 'LICENSE'), join(inside, 'LICENSE'));
  writeManifest(inside, {
    name: platformName(architecture),
    version: manifest.version,
    description: `The native files of oomscope for Linux with glibc on ${architecture}`,
    license: `${manifest.license} AND LGPL-2.1-only AND LGPL-3.0-or-later AND Zlib`,
    os: ['linux'],
    cpu: [architecture],
    libc: ['glibc'],
  });
  return pack(folder, join(output, `oomscope-linux-${architecture}-glibc-${manifest.version}.tgz`));
}

/** @returns the tarball's path */
export function packMain(architectures: readonly Architecture[], work: string, output: string): string {
  const folder = join(work, 'npm');
  const inside = join(folder, 'package');
  rmSync(folder, { recursive: true, force: true });
  copyProgram(inside, 'npm');
  for (const name of ['README.md', 'CHANGELOG.md']) cpSync(join(ROOT, name), join(inside, name));
  vendorToml(inside);
  shareSchema(inside);
  removeUnreachable(inside, manifest.exports as Parameters<typeof removeUnreachable>[1]);
  const kept = [...KEPT, ...KEPT_TOO].map((key) => [key, manifest[key]]);
  writeManifest(inside, {
    ...Object.fromEntries(kept),
    cpu: architectures,
    optionalDependencies: Object.fromEntries(architectures.map((one) => [platformName(one), manifest.version])),
  });
  return pack(folder, join(output, `oomscope-${manifest.version}.tgz`));
}

/**
 * Puts the only dependency into dist/, because Yarn asks the registry for a dependency even if the tarball contains it.
 *
 * @throws Error if the module that imports the dependency has changed
 */
function vendorToml(inside: string): void {
  const source = join(ROOT, 'node_modules/smol-toml');
  const filter = (path: string) => !/\.(cjs|d\.ts)$/.test(path);
  cpSync(join(source, 'dist'), join(inside, 'dist/vendor/smol-toml'), { recursive: true, filter });
  cpSync(join(source, 'LICENSE'), join(inside, 'dist/vendor/smol-toml/LICENSE'));
  const importer = join(inside, 'dist/config/toml.js');
  const before = readFileSync(importer, 'utf8');
  const after = before.replace("import('smol-toml')", "import('../vendor/smol-toml/index.js')");
  if (after === before) throw new Error(`expected import('smol-toml') in ${importer}`);
  writeFileSync(importer, after);
}

/**
 * The library and the command share one schema, without its indentation: the package has a limit of 2 MB.
 *
 * @throws Error if the chunk of the command is not what this replaces
 */
function shareSchema(inside: string): void {
  const schema = join(inside, 'dist/model/oomscope-v1.schema.json');
  writeFileSync(schema, JSON.stringify(JSON.parse(readFileSync(schema, 'utf8'))));
  const chunk = join(inside, 'dist/cli/oomscope-v1.schema.js');
  if (!/export \{ oomscope_v1_schema_default as default \};\s*$/.test(readFileSync(chunk, 'utf8')))
    throw new Error(`expected only the schema in ${chunk}`);
  writeFileSync(chunk, `export { default } from '../model/oomscope-v1.schema.json' with { type: 'json' };\n`);
}

/** Copies what is not native: JavaScript, types, the schema, the command and the licences. */
export function copyProgram(into: string, installation: string): void {
  mkdirSync(join(into, 'scripts'), { recursive: true });
  const filter = (path: string) => !path.endsWith('.tsbuildinfo');
  cpSync(join(ROOT, 'dist'), join(into, 'dist'), { recursive: true, filter });
  for (const name of ['scripts/oomscope.cjs', 'scripts/oomscope.sh']) cpSync(join(ROOT, name), join(into, name));
  cpSync(join(ROOT, 'LICENSE'), join(into, 'LICENSE'));
  writeFileSync(join(into, 'installation'), `${installation}\n`);
}

function writeManifest(folder: string, content: object): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}

function pack(folder: string, output: string): string {
  archive(folder, ['package'], output);
  return output;
}
