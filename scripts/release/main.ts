/**
 * Makes a release: npm run release -- VERSION [--dry-run] [--arch x64|arm64]... [--only npm|deb|tarball|image]...
 *
 * Sets the version, closes the changelog, commits both, makes the packages into build/packages/ with their bill of materials, and
 * checks the packages by installing them. Publishes nothing and tags nothing: it prints what is left to do. --dry-run says what would
 * change, and changes nothing. --arch and --only are as in `npm run package`, for a trial.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { changelogProblem, closeChangelog } from './changelog.ts';
import { versionProblem, withVersion, writeAll } from './version.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PACKAGES = join(ROOT, 'build/packages');
const say = (sentence: string) => process.stderr.write(`release: ${sentence}\n`);
const git = (...words: string[]) => execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).trim();

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'dry-run': { type: 'boolean', default: false },
    arch: { type: 'string', multiple: true, default: [] },
    only: { type: 'string', multiple: true, default: [] },
  },
});

const next = positionals[0] as string;
const { version: current } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8');
const problems = [
  positionals.length > 1 ? `Expected one version, got ${positionals.join(' ')}.` : versionProblem(next, current),
  changelogProblem(changelog),
  git('status', '--porcelain') === ''
    ? undefined
    : 'The tree has changes that are not committed: commit or stash them.',
].filter((problem) => problem !== undefined);
if (problems.length > 0) {
  for (const problem of problems) say(problem);
  process.exit(2);
}

const texts = withVersion(ROOT, current, next);
texts.set('CHANGELOG.md', closeChangelog(changelog, next, new Date().toISOString().slice(0, 10)));
if (values['dry-run']) {
  for (const [file, text] of texts) {
    const before = readFileSync(join(ROOT, file), 'utf8').split('\n');
    const changed = text.split('\n').filter((line) => !before.includes(line));
    process.stdout.write(`${file}\n${changed.map((line) => `  ${line}\n`).join('')}`);
  }
  say(`${next} can be released; --dry-run has changed nothing.`);
} else await release();

async function release(): Promise<void> {
  const before = git('rev-parse', 'HEAD');
  writeAll(ROOT, texts);
  git('commit', '--quiet', '--message', `release: ${next}`, '--', ...texts.keys());
  try {
    await makeAndCheck();
  } catch (error) {
    say(`failed; to take back its commit: git reset --hard ${before}`);
    throw error;
  }
  say('published nothing. What is left to do:');
  const npm = readdirSync(PACKAGES).filter((name) => name.endsWith('.tgz'));
  // The packages of the platforms first: the main package names them.
  npm.sort((a, b) => Number(/linux/.test(b)) - Number(/linux/.test(a)));
  for (const line of [
    `git tag v${next} && git push origin HEAD v${next}`,
    ...npm.map((name) => `npm publish build/packages/${name}`),
  ])
    process.stdout.write(`  ${line}\n`);
}

async function makeAndCheck(): Promise<void> {
  const words = [...values.arch.flatMap((one) => ['--arch', one]), ...values.only.flatMap((one) => ['--only', one])];
  // Compiles the new version, too.
  execFileSync('sh', ['scripts/run.sh', 'scripts/package/main.ts', ...words], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  // These modules read the version when they are loaded.
  const [{ checkPackages }, { epoch, manifest, sha256 }, { partsOf }, { makeSbom }] = await Promise.all([
    import('./check.ts'),
    import('../package/package.ts'),
    import('./parts.ts'),
    import('./sbom.ts'),
  ]);
  const names = readdirSync(PACKAGES).filter((name) => name !== 'SHA256SUMS');
  const { name, version, description, license: licence } = manifest;
  const sbom = `oomscope-${next}.cdx.json`;
  const text = makeSbom({
    product: { name, version, description, licence },
    parts: await partsOf(ROOT),
    files: names.map((file) => ({ name: file, sha256: sha256(join(PACKAGES, file)) })),
    time: epoch,
  });
  writeFileSync(join(PACKAGES, sbom), text);
  appendFileSync(join(PACKAGES, 'SHA256SUMS'), `${sha256(join(PACKAGES, sbom))}  ${sbom}\n`);
  for (const sentence of checkPackages(PACKAGES, next)) say(sentence);
  say(`bill of materials: ${sbom}`);
}
