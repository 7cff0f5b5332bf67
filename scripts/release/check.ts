/** Installs each package of a release in a directory of its own, and runs its command: the version must be the new one. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sha256 } from '../package/package.ts';

/** Names of this machine's architecture in the names of packages. */
const NAMES = process.arch === 'arm64' ? /arm64/ : /amd64|x64/;
const ANY = /arm64|amd64|x64/;

/**
 * Packages for another architecture are only compared with their checksums.
 *
 * @returns one sentence for each package. @throws Error that says which package is wrong
 */
export function checkPackages(directory: string, version: string): string[] {
  checkSums(directory);
  const work = mkdtempSync(join(tmpdir(), 'oomscope-release-'));
  try {
    const names = readdirSync(directory).filter((name) => NAMES.test(name));
    const deb = names.find((name) => name.endsWith('.deb'));
    const archive = names.find((name) => name.endsWith('.tar.gz'));
    const image = names.find((name) => /-image-.*\.tar$/.test(name));
    const platform = names.find((name) => name.endsWith('.tgz'));
    const main = readdirSync(directory).find((name) => name.endsWith('.tgz') && !ANY.test(name));
    const said = [];
    if (platform !== undefined && main !== undefined) said.push(checkNpm(directory, [platform, main], version, work));
    if (archive !== undefined) said.push(checkArchive(directory, archive, version, work));
    if (deb !== undefined) said.push(checkDeb(directory, deb, version, work));
    if (image !== undefined) said.push(checkImage(directory, image, version));
    if (said.length === 0) throw new Error(`expected packages for this machine in ${directory}`);
    return said;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function checkSums(directory: string): void {
  const lines = readFileSync(join(directory, 'SHA256SUMS'), 'utf8').trim().split('\n');
  for (const line of lines) {
    const [sum, name = ''] = line.split('  ');
    if (sha256(join(directory, name)) !== sum) throw new Error(`${name}: expected the checksum ${sum}`);
  }
}

function checkNpm(directory: string, names: readonly string[], version: string, work: string): string {
  const project = join(work, 'npm');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  const paths = names.map((name) => join(directory, name));
  const words = ['install', '--offline', '--ignore-scripts', '--cache', join(work, 'cache'), ...paths];
  execFileSync('npm', words, { cwd: project, stdio: 'pipe' });
  works(names.join(' and '), join(project, 'node_modules/.bin/oomscope'), version);
  return `npm: ${names.join(' and ')} install without network, and run`;
}

function checkArchive(directory: string, name: string, version: string, work: string): string {
  execFileSync('tar', ['xzf', join(directory, name), '-C', work]);
  works(name, join(work, name.replace(/\.tar\.gz$/, ''), 'oomscope'), version);
  return `archive: ${name} runs where it is unpacked`;
}

function checkDeb(directory: string, name: string, version: string, work: string): string {
  const tree = join(work, 'deb');
  execFileSync('dpkg-deb', ['-x', join(directory, name), tree]);
  const given = execFileSync('dpkg-deb', ['-f', join(directory, name), 'Version'], { encoding: 'utf8' }).trim();
  if (given !== version) throw new Error(`${name}: expected the version ${version}, got ${given}`);
  works(name, join(tree, 'usr/bin/oomscope'), version);
  return `.deb: ${name} runs where it is unpacked; npm run prove:install installs it on three Debians`;
}

function checkImage(directory: string, name: string, version: string): string {
  const text = execFileSync('tar', ['xOf', join(directory, name), 'manifest.json'], { encoding: 'utf8' });
  const [{ RepoTags } = { RepoTags: [] }] = JSON.parse(text) as { RepoTags: string[] }[];
  if (!RepoTags.includes(`oomscope:${version}`))
    throw new Error(`${name}: expected the tag oomscope:${version}, got ${RepoTags}`);
  return `image: ${name} has the tag oomscope:${version}`;
}

/** The command tells its version, and finds its native files. */
function works(name: string, command: string, version: string): void {
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const told = execFileSync(command, ['--version'], { encoding: 'utf8', env }).trim();
  if (told !== `oomscope ${version}`) throw new Error(`${name}: expected "oomscope ${version}", got "${told}"`);
  const { stdout } = spawnSync(command, ['doctor', '--json'], { encoding: 'utf8', env });
  const { findings } = JSON.parse(stdout) as { findings: { name: string; found: string }[] };
  const addon = findings.find((finding) => finding.name === 'addon')?.found;
  if (addon !== 'loads') throw new Error(`${name}: expected the addon to load, got "${addon}"`);
}
