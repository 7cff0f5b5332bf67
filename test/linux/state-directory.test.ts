import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { directoryProblem, stateDirectories } from '../../src/linux/state-directory.ts';

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'oomscope-state-'));
  return () => rmSync(base, { recursive: true });
});

describe('the directories of state files', () => {
  test('of root are fixed, so that the next guard finds them, whatever started it', () => {
    expect(stateDirectories({}, 0)).toEqual(['/run/oomscope', '/var/lib/oomscope']);
    const unit = { RUNTIME_DIRECTORY: '/run/oomscope', STATE_DIRECTORY: '/var/lib/other:/var/lib/oomscope' };
    expect(stateDirectories(unit, 0)).toEqual(['/run/oomscope', '/var/lib/other', '/var/lib/oomscope']);
  });

  test("of another user are the user's own", () => {
    const own = stateDirectories({ XDG_RUNTIME_DIR: '/run/user/1000' }, 1000);
    expect(own).toEqual(['/run/user/1000/oomscope', join(tmpdir(), 'oomscope-1000')]);
    expect(stateDirectories({ XDG_RUNTIME_DIR: 'relative' }, 7)[0]).toBe('/run/user/7/oomscope');
  });
});

test('a directory is made for this user alone', () => {
  const path = join(base, 'made');
  expect(directoryProblem(path)).toBeUndefined();
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test.each([
  ['other users can write to', (path: string) => mkdirSync(path) ?? chmodSync(path, 0o777), 'other users can write'],
  ['is a link', (path: string) => symlinkSync('/tmp', path), 'got a symbolic link'],
  ['cannot be made', () => {}, 'it cannot be made (ENOENT)'],
])('a directory that %s is not used', (_, make, problem) => {
  const path = problem.includes('ENOENT') ? '/proc/none' : join(base, 'there');
  make(path);
  expect(directoryProblem(path)).toContain(problem);
});
