import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAIN } from './cli.ts';

const tried = (pattern: string, ...more: string[]) =>
  spawnSync(process.execPath, [MAIN, 'guard', '--try-pattern', pattern, ...more], { encoding: 'utf8' });

test('guard --try-pattern lists the processes that match now, by their whole names', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const program = join(directory, 'a-sleeper-with-a-long-name');
  copyFileSync('/bin/sleep', program);
  const child = spawn(program, ['60'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const { status, stdout, stderr } = tried('^a-sleeper-with-a-long-name$', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ pid: child.pid, name: 'a-sleeper-with-a-long-name', by: 'program', comm: 'a-sleeper-with-' },
  });
  expect([status, stderr]).toEqual([0, 'oomscope: One process matches now.\n']);
});

test('guard --try-pattern refuses what can never match', () => {
  const { status, stderr } = tried('a^b');
  expect([status, stderr]).toEqual([2, expect.stringContaining('"a^b" can never match')]);
  expect(tried('(').status).toBe(2);
});
