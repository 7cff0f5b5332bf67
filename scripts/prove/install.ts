/**
 * Proves that each package installs by its documented line on a Debian with nothing but the base system, traces a kill, and leaves
 * nothing behind.
 *
 *   npm run package && npm run prove:install -- [--fresh] [--part PART]... [--write]
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { debianSystem, SUITES, type SuiteName } from '../lab/debian.ts';
import { ARCHITECTURES, type Architecture } from '../package/package.ts';
import { prove } from './proof.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PACKAGES = join(ROOT, 'build/packages');
/** What the base system of a container lacks: the unit is checked with systemd's own program. */
const INCLUDED = ['ca-certificates', 'systemd', 'libstdc++6'];
/** Package managers of JavaScript, each as the version that the registry has. */
const MANAGERS: Record<string, string> = { npm11: 'npm@11', npm12: 'npm@12', pnpm: 'pnpm', yarn1: 'yarn@1' };

interface Transcript {
  suite: string;
  kind: string;
  text: string;
}

/** Installs a package in a new chroot. @throws Error with the transcript if a step fails or no kill was traced */
async function install(suite: SuiteName, kind: string): Promise<Transcript> {
  if (!existsSync(PACKAGES)) throw new Error(`expected packages in ${PACKAGES}: run \`npm run package\``);
  const root = mkdtempSync(join(cacheDirectory('packages'), `chroot-${suite}-`));
  try {
    execFileSync('tar', ['xf', await debianSystem(suite, INCLUDED, cacheDirectory('packages')), '-C', root]);
    cpSync(PACKAGES, join(root, 'packages'), { recursive: true });
    const manager = MANAGERS[kind];
    if (manager !== undefined) addManager(root, manager);
    const words = ['-m', '--propagation', 'private', 'sh', join(import.meta.dirname, 'install.sh'), root, kind];
    const text = execFileSync('unshare', words, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 26,
    });
    // Other kills of the machine in this moment are hidden by the filter for the name.
    if (!/^"message":"hog \(pid \d+\) was killed.*\n"message":"Stopped after .*, 0 lost/m.test(text))
      throw new Error(`expected one traced kill:\n${text}`);
    if (!/## left\nnothing\n/.test(text)) throw new Error(`expected nothing to be left:\n${text}`);
    return { suite, kind, text: withoutProgress(text) };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/**
 * The packages of a kind and an architecture, made again, must be the bytes that `npm run package` has made from this commit.
 *
 * @throws Error that names the packages that differ
 */
async function sameBytes(only: string, architecture: Architecture): Promise<Transcript> {
  const work = mkdtempSync(join(cacheDirectory('packages'), 'twice-'));
  try {
    const script = join(ROOT, 'scripts/package/main.ts');
    const flags = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
    const options = ['--arch', architecture, '--only', only, '--output', work];
    execFileSync(process.execPath, [...flags, script, ...options], { stdio: 'pipe' });
    const sums = (path: string) => readFileSync(join(path, 'SHA256SUMS'), 'utf8').trimEnd().split('\n');
    const [first, second] = [sums(PACKAGES), sums(work)];
    const differing = second.filter((line) => line === '' || !first.includes(line));
    if (differing.length > 0)
      throw new Error(`expected the bytes of ${PACKAGES}, made from the same commit:\n${differing.join('\n')}`);
    return { suite: architecture, kind: only, text: `## made again, the same bytes\n${second.join('\n')}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Puts Node and a package manager below /opt/node: Debian's own Node is too old, or there is none. */
function addManager(root: string, manager: string): void {
  const bin = join(root, 'opt/node/bin');
  mkdirSync(bin, { recursive: true });
  copyFileSync(realpathSync(join(ROOT, 'build/node/bin/node')), join(bin, 'node'));
  execFileSync('npm', ['install', '--silent', '--no-save', '--prefix', join(root, 'opt/node'), manager], {
    stdio: 'pipe',
  });
  for (const name of readdirSync(join(root, 'opt/node/node_modules/.bin'))) {
    symlinkSync(`../node_modules/.bin/${name}`, join(bin, name));
  }
}

const withoutProgress = (text: string) =>
  text
    .replaceAll('\r', '\n')
    .replaceAll(/^\((Reading database.*)?\n|^debconf:.*\n/gm, '')
    .replaceAll(/\n+/g, '\n');

const parts = SUITES.flatMap((suite) => ['deb', 'tarball', 'npm11'].map((kind) => ({ suite, kind })));
parts.push(...['npm12', 'pnpm', 'yarn1'].map((kind) => ({ suite: 'bookworm' as const, kind })));

await prove<Transcript>({
  name: 'install',
  claim:
    'In chroots of Debian 12, 13 and sid with nothing but the base system, each package is installed by its documented line, doctor finds nothing missing, one real kill is traced, and after the removal nothing is left.',
  parts: [
    ...parts.map(({ suite, kind }) => ({ name: `${suite}-${kind}`, run: () => install(suite, kind) })),
    ...ARCHITECTURES.flatMap((architecture) =>
      ['npm', 'deb', 'tarball', 'image'].map((kind) => ({
        name: `same-bytes-${kind}-${architecture}`,
        run: () => sameBytes(kind, architecture),
      })),
    ),
  ],
  render: (finished) =>
    finished
      .map(({ name, figures, failure }) => `=== ${name} ===\n${figures?.text.trim() ?? failure ?? ''}`)
      .join('\n\n'),
});
