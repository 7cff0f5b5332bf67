/** `oomscope explain` on files that never end, or that block: it ends with a sentence, or reads them as a pipe. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CORPUS } from '../explain/corpus.ts';
import { ended, MAIN, oomscope } from './cli.ts';

const MEMCG = join(CORPUS, '6.12/v2-memcg.kmsg');
const directory = mkdtempSync(join(tmpdir(), 'oomscope-endless-'));
const path = (name: string) => join(directory, name);
const fifo = (name: string) => {
  execFileSync('mkfifo', [path(name)]);
  return path(name);
};

const link = (name: string, target: string) => {
  symlinkSync(target, path(name));
  return path(name);
};

afterAll(() => rmSync(directory, { recursive: true }));

describe('a file that never ends', () => {
  test.each<[string, () => string, RegExp]>([
    ['a FIFO without a writer', () => fifo('silent'), /got a FIFO that no process writes to/],
    ['/dev/zero', () => '/dev/zero', /got a device \(--kmsg/],
    ['a link to /dev/urandom', () => link('random', '/dev/urandom'), /got a device/],
    ['/dev/kmsg', () => '/dev/kmsg', /got a device \(--kmsg/],
    ['/proc/kmsg', () => '/proc/kmsg', /use --kmsg instead/],
    ['a link to /proc/kmsg', () => link('log', '/proc/kmsg'), /use --kmsg instead/],
  ])('%s: ends with a sentence', async (_, make, expected) => {
    const { code, stderr } = await oomscope(['explain', make()]);
    expect(stderr).toMatch(expected);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(66);
  });

  test('a socket: ends with a sentence', async () => {
    const server = createServer().listen(path('socket'));
    const { code, stderr } = await oomscope(['explain', path('socket')]);
    server.close();
    expect(stderr).toContain('got a socket');
    expect(code).toBe(66);
  });

  test('/dev/null is an empty log', async () => {
    const { code } = await oomscope(['explain', '/dev/null']);
    expect(code).toBe((await oomscope(['explain', '-'])).code);
  });
});

describe('a pipe that ends', () => {
  test('a FIFO is read as standard input is, also if its writer is slow', async () => {
    const pipe = fifo('pipe');
    const writer = spawn('sh', [
      '-c',
      'exec >"$1"; head -c 2000 "$2"; sleep 0.5; tail -c +2001 "$2"',
      'sh',
      pipe,
      MEMCG,
    ]);
    const { code, stdout } = await oomscope(['explain', '--json', pipe]);
    writer.kill();
    expect(code).toBe(0);
    expect(JSON.parse(stdout.split('\n')[0] ?? '')).toMatchObject({ type: 'oom.report' });
    expect(stdout).toContain('cache-builder');
  });

  test('the pipe of a process substitution is read', async () => {
    const command = `exec "$1" "$2" explain --json /dev/fd/3 3< <(cat "$3")`;
    const { code, stdout } = await ended(spawn('bash', ['-c', command, 'bash', process.execPath, MAIN, MEMCG]));
    expect(code).toBe(0);
    expect(stdout).toContain('"type":"oom.report"');
  });
});
