/** `npm run release` on a clone of this repository: it never touches this one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { changelogProblem, closeChangelog } from '../../scripts/release/changelog.ts';
import { versionedFiles, versionProblem } from '../../scripts/release/version.ts';
import { ROOT } from '../cli/cli.ts';
import { ScratchClone } from './scratch-clone.ts';

const current = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version as string;
const [major = 0] = current.split('.').map(Number);
const next = `${major + 1}.0.0`;

test.each([
  ['0.2.0', '0.1.0', undefined],
  ['0.1.10', '0.1.9', undefined],
  ['1.0.0', '0.99.99', undefined],
  ['0.1.0', '0.1.0', 'newer than 0.1.0'],
  ['0.0.9', '0.1.0', 'newer than 0.1.0'],
  ['0.9.9', '1.0.0', 'newer than 1.0.0'],
  ['v0.2.0', '0.1.0', 'such as 0.2.0'],
  ['0.2', '0.1.0', 'such as 0.2.0'],
  ['0.2.0-rc.1', '0.1.0', 'such as 0.2.0'],
  ['00.2.0', '0.1.0', 'such as 0.2.0'],
  [undefined, '0.1.0', 'got none'],
])('the version %s after %s: %s', (given, before, problem) => {
  const said = versionProblem(given, before);
  if (problem === undefined) expect(said).toBeUndefined();
  else expect(said).toContain(problem);
});

describe('the changelog', () => {
  const text = '# Changelog\n\n## [Unreleased]\n\n### Added\n\n* one\n\n## [0.1.0] - 2026-01-01\n\n* old\n';

  test('gets the version and the date, and an empty section above them', () => {
    expect(closeChangelog(text, '0.2.0', '2026-02-03')).toBe(
      '# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-02-03\n\n### Added\n\n* one\n\n## [0.1.0] - 2026-01-01\n\n* old\n',
    );
    expect(changelogProblem(text)).toBeUndefined();
  });

  test('cannot be closed twice, without changes, or without the section', () => {
    expect(changelogProblem(closeChangelog(text, '0.2.0', '2026-02-03'))).toContain('nothing to release');
    expect(changelogProblem('## [Unreleased]\n\n### Added\n')).toContain('nothing to release');
    expect(changelogProblem('# Changelog\n')).toContain('expected a section');
  });
});

describe('npm run release', () => {
  let clone: ScratchClone;
  beforeAll(() => {
    clone = new ScratchClone();
  });
  afterAll(() => clone?.[Symbol.dispose]());
  beforeEach(() => {
    clone.git('reset', '--quiet', '--hard');
  });

  test('refuses a version that is not newer, an empty changelog and a changed tree, all in one run, and changes nothing', () => {
    const path = join(clone.directory, 'CHANGELOG.md');
    writeFileSync(path, '# Changelog\n\n## [Unreleased]\n');
    const { status, stderr } = clone.release(current);
    expect(status).toBe(2);
    expect(stderr.trim().split('\n')).toEqual([
      `release: Expected a version newer than ${current}, got ${current}.`,
      'release: CHANGELOG.md: expected changes below "## [Unreleased]", found none: there is nothing to release.',
      'release: The tree has changes that are not committed: commit or stash them.',
    ]);
    expect(clone.git('status', '--porcelain')).toBe('M CHANGELOG.md');
    expect(clone.release().stderr).toContain('Expected a version such as 0.2.0, got none.');
  });

  test('--dry-run names each line that would change, and changes nothing', () => {
    const { status, stdout, stderr } = clone.release(next, '--dry-run');
    expect(stderr).toContain(`${next} can be released; --dry-run has changed nothing.`);
    expect(status).toBe(0);
    for (const part of [
      `package.json\n    "version": "${next}",`,
      `src/version.ts\n  export const VERSION = '${next}';`,
      `oomscope_${next}_amd64.deb`,
      `## [${next}] - 2`,
    ]) {
      expect(stdout).toContain(part);
    }
    expect(clone.git('status', '--porcelain')).toBe('');
    expect(clone.git('log', '--oneline').split('\n')).toHaveLength(1);
  });

  test('leaves no other file that has the version', () => {
    const elsewhere = clone.git(
      'grep',
      '--files-with-matches',
      '--fixed-strings',
      current,
      '--',
      ':!package-lock.json',
      ':!docs/proofs',
      ':!docs/fleet.md', // what a node of that version printed
      ':!src/testing/recordings',
      ':!test',
      ':!CHANGELOG.md',
    );
    expect(elsewhere.split('\n').sort()).toEqual(versionedFiles.filter((file) => file !== 'package-lock.json').sort());
  });
});
