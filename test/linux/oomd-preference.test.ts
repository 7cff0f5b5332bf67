import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { oomdPreference } from '../../src/linux/oomd-preference.ts';

const isRoot = process.geteuid?.() === 0;

test.skipIf(!isRoot)('reads the attributes only of directories that root owns', () => {
  const directory = mkdtempSync(join('/var/tmp', 'oomscope-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const set = (name: string, value: string) =>
    execFileSync('python3', [
      '-c',
      'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())',
      directory,
      name,
      value,
    ]);
  expect(oomdPreference(directory)).toBeNull();
  set('user.oomd_avoid', '1');
  expect(oomdPreference(directory)).toBe('avoid');
  set('user.oomd_omit', 'true');
  expect(oomdPreference(directory)).toBe('omit');
  set('user.oomd_omit', '0');
  expect(oomdPreference(directory)).toBe('avoid');
  chownSync(directory, 65534, 65534);
  expect(oomdPreference(directory)).toBeNull();
  expect(oomdPreference(join(tmpdir(), 'oomscope-nowhere'))).toBeNull();
});
