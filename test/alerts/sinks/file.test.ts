import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { file } from '../../../src/alerts/sinks/file.ts';
import type { Sink } from '../../../src/alerts/sinks/sink.ts';
import { anAlert } from '../alerts.ts';

const never = new AbortController().signal;
let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-file-'));
  path = join(directory, 'alerts.jsonl');
});
afterEach(() => rmSync(directory, { recursive: true }));

const titles = (at: string) =>
  readFileSync(at, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).title);

async function write(sink: Sink, ...given: string[]) {
  for (const title of given) expect((await sink.deliver(anAlert({ title }), never)).outcome).toBe('delivered');
}

describe('the file sink', () => {
  it('appends to a file that only its owner can read', async () => {
    for (const title of ['a', 'b']) {
      const sink = file({ path });
      await write(sink, title);
      await sink.close?.();
    }
    expect(titles(path)).toEqual(['a', 'b']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('rotates before the file exceeds its size, keeps the given number of files, and splits no line', async () => {
    const sink = file({ path, mostBytes: 900, keep: 2 });
    const given = Array.from({ length: 11 }, (_, i) => `title ${i}`);
    await write(sink, ...given);
    await sink.close?.();
    const kept = [`${path}.2`, `${path}.1`, path].flatMap((at) => {
      expect(statSync(at).size).toBeLessThanOrEqual(900);
      return titles(at);
    });
    expect(kept.length).toBeGreaterThan(4);
    expect(kept).toEqual(given.slice(-kept.length));
    expect(existsSync(`${path}.3`)).toBe(false);
  });

  it('makes a new file when another program moves or removes the file', async () => {
    const sink = file({ path });
    await write(sink, 'a');
    renameSync(path, join(directory, 'moved'));
    await write(sink, 'b');
    rmSync(path);
    await write(sink, 'c');
    await sink.close?.();
    expect(titles(join(directory, 'moved'))).toEqual(['a']);
    expect(titles(path)).toEqual(['c']);
  });

  it.skipIf(process.geteuid?.() !== 0)(
    'reports a full disk, leaves no partial line, and writes again when there is room',
    async () => {
      const disk = join(directory, 'disk');
      mkdirSync(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', disk]);
      try {
        path = join(disk, 'alerts.jsonl');
        const sink = file({ path });
        await write(sink, 'a');
        writeFileSync(join(disk, 'filler'), Buffer.alloc(12 * 1024));
        const big = anAlert({ title: 'big', message: 'x'.repeat(6000) });
        expect(await sink.deliver(big, never)).toEqual({ outcome: 'retry', reply: 'its file system is full' });
        rmSync(join(disk, 'filler'));
        expect((await sink.deliver(big, never)).outcome).toBe('delivered');
        await sink.close?.();
        expect(titles(path)).toEqual(['a', 'big']);
      } finally {
        execFileSync('umount', [disk]);
      }
    },
  );

  const replacements: [string, RegExp, () => { stop?: () => void }][] = [
    [
      'a FIFO that no process reads',
      /got a FIFO/,
      () => {
        execFileSync('mkfifo', [path]);
        return {};
      },
    ],
    [
      'a FIFO whose reader sleeps',
      /got a FIFO/,
      () => {
        execFileSync('mkfifo', [path]);
        const reader = spawn('sh', ['-c', 'exec 3<>"$0"; exec sleep 60', path], { stdio: 'ignore' });
        return { stop: () => reader.kill('SIGKILL') };
      },
    ],
    [
      'a file that every user can write to',
      /other users can write to it/,
      () => {
        writeFileSync(path, '');
        chmodSync(path, 0o666);
        return {};
      },
    ],
    [
      'a hard link',
      /hard link/,
      () => {
        writeFileSync(join(directory, 'precious'), '');
        linkSync(join(directory, 'precious'), path);
        return {};
      },
    ],
    [
      'a directory',
      /got a directory/,
      () => {
        mkdirSync(path);
        return {};
      },
    ],
    [
      'a link to a device',
      /got a symbolic link/,
      () => {
        symlinkSync('/dev/full', path);
        return {};
      },
    ],
  ];
  if (process.geteuid?.() === 0) {
    replacements.push([
      'a file of another user',
      /it belongs to the user 12345/,
      () => {
        writeFileSync(path, '');
        chownSync(path, 12_345, 12_345);
        return {};
      },
    ]);
  }

  it.each(replacements)(
    'writes nothing and reports why while its file is replaced by %s, and goes on afterwards',
    async (_, why, replace) => {
      const sink = file({ path });
      await write(sink, 'a');
      rmSync(path);
      const { stop } = replace();
      const began = performance.now();
      const receipt = await sink.deliver(anAlert(), never);
      expect(receipt.outcome).toBe('retry');
      expect(receipt.reply).toMatch(why);
      await sink.close?.();
      expect(performance.now() - began).toBeLessThan(5_000);
      if (existsSync(join(directory, 'precious'))) expect(readFileSync(join(directory, 'precious'), 'utf8')).toBe('');
      expect(() => file({ path })).toThrow(why);
      stop?.();
      rmSync(path, { recursive: true });
      await write(sink, 'b');
      await sink.close?.();
      expect(titles(path)).toEqual(['b']);
    },
  );

  it('follows no symbolic link, and writes only to a regular file in an existing directory', async () => {
    const target = join(directory, 'target');
    symlinkSync(target, path);
    expect(() => file({ path })).toThrow(/alerts\.jsonl": expected a regular file, got a symbolic link/);
    rmSync(path);
    const sink = file({ path });
    symlinkSync(target, path);
    expect(await sink.deliver(anAlert(), never)).toEqual({
      outcome: 'retry',
      reply: 'expected a regular file, got a symbolic link',
    });
    expect(existsSync(target)).toBe(false);
    expect(() => file({ path: directory })).toThrow(/expected a regular file, got a directory/);
    expect(() => file({ path: '/no/such/place' })).toThrow(/make \/no\/such first/);
  });
});
