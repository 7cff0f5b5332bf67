/**
 * Tests `oomscope replay` with real recordings. `overload` and `load-shift` are recordings of a cgroup with a limit of
 * 256 MiB, made by `oomscope record` at an interval of 50 ms. Only the cgroup and its processes were kept in them,
 * and the cgroup was renamed.
 * - overload: a process that leaks 100 MB/s, and a database.
 * - load-shift: six loads, one after the other, that come near the limit, and once exceed it for a moment.
 * - system: a whole guest of 640 MiB, at an interval of 200 ms, until the kernel kills. A process leaks 40 MiB/s, and a
 *   database holds more memory than this process until memory runs out.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { afterAll, describe, expect, it, test } from 'vitest';
import { readSample } from '../../src/guard/replay.ts';
import type { Event } from '../../src/model/events.ts';
import { schemaErrors } from '../schema.ts';
import { MAIN, oomscope, ROOT } from './cli.ts';

const fixtures = join(ROOT, 'test/fixtures/replay');
const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** @param config null: the default rules */
async function replay(file: string, config: string | null = join(fixtures, 'rules.toml')) {
  const words = config === null ? [] : ['--config', config];
  const { code, stdout, stderr } = await oomscope(['replay', file, ...words, '--json']);
  const events = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
  expect(events.flatMap(schemaErrors)).toEqual([]);
  return { code, stdout, stderr, events };
}

const kills = (events: Event[]) =>
  events.flatMap((event) => (event.type === 'guard.result' ? [event.target.comm] : []));

describe('a file that is not a recording is refused immediately', () => {
  const huge = () => {
    const path = join(directory, 'huge');
    writeFileSync(path, '');
    truncateSync(path, 300e6);
    return path;
  };
  const fifo = () => {
    const path = join(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    return path;
  };
  it.each<[string, () => string, RegExp, number]>([
    ['a FIFO', fifo, /got a FIFO/, 66],
    ['a directory', () => directory, /got a directory/, 66],
    ['/dev/zero', () => '/dev/zero', /got a device/, 66],
    ['/proc/self/mem', () => '/proc/self/mem', /cannot be read: E/, 66],
    ['/proc/kmsg', () => '/proc/kmsg', /would wait|cannot be read|permission|none/, 66],
    ['300 MB without a line', huge, /a line is longer than 32 MiB/, 65],
    ['no file', () => join(directory, 'missing'), /there is no such file/, 66],
  ])(
    '%s',
    async (_, file, why, exit) => {
      const began = performance.now();
      const { code, stdout, stderr } = await oomscope(['replay', file()]);
      expect(stderr).toMatch(/^oomscope: Expected a recording[^\n]*\n$/);
      expect(stderr).toMatch(why);
      expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
      expect(performance.now() - began).toBeLessThan(15_000);
    },
    20_000,
  );
});

describe('replay', () => {
  it('kills only the leaking process of an overload', async () => {
    const { code, events } = await replay(join(fixtures, 'overload.jsonl'));
    expect(kills(events)).toEqual(['leaker']);
    expect(events.map(({ type }) => type)).toEqual(['guard.plan', 'guard.action', 'guard.action', 'guard.result']);
    expect(code).toBe(0);
  });

  it('kills only the process that grows, although it is not the largest, with the default rules', async () => {
    const { events } = await replay(join(fixtures, 'system.jsonl'), null);
    expect(kills(events)).toEqual(['leak']);
    const [plan] = events;
    if (plan?.type !== 'guard.plan') throw new Error('expected a plan');
    const hold = plan.candidates.find(({ target }) => target.comm === 'hold');
    expect(hold?.target.rss_bytes).toBeGreaterThan(plan.victim.rss_bytes);
  });

  it('kills nothing while load shifts between processes near the limit', async () => {
    const { code, stdout } = await replay(join(fixtures, 'load-shift.jsonl'));
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });

  it('kills in the same recording with a rule that does not wait, which proves that memory was short', async () => {
    const hasty = join(directory, 'hasty.toml');
    writeFileSync(hasty, readFileSync(join(fixtures, 'rules.toml'), 'utf8').replace(' for 300ms', ''));
    expect([...new Set(kills((await replay(join(fixtures, 'load-shift.jsonl'), hasty)).events))]).toEqual(['batch']);
  });

  it('gives the same result every time', async () => {
    const [first, second] = await Promise.all([1, 2].map(() => replay(join(fixtures, 'overload.jsonl'))));
    expect(first?.stdout).toBe(second?.stdout);
  });

  it('replays all complete lines of a recording that is cut off, and reports the cut', async () => {
    const text = readFileSync(join(fixtures, 'overload.jsonl'), 'utf8');
    const cut = join(directory, 'cut.jsonl');
    writeFileSync(cut, text.slice(0, -200));
    const { code, events, stderr } = await replay(cut);
    expect(kills(events)).toEqual(['leaker']);
    expect(stderr).toContain(`is cut short: line ${text.trimEnd().split('\n').length} is incomplete`);
    expect(code).toBe(0);
  });

  it.each([
    ['a missing recording', undefined, 'there is no such file', 66],
    ['a file of something else', '{"a":1}\nxyz\n', 'got none', 65],
    ['an empty file', '', 'got none', 65],
  ])('%s', async (_, text, part, exit) => {
    const file = join(directory, 'other.jsonl');
    rmSync(file, { force: true });
    if (text !== undefined) writeFileSync(file, text);
    const { code, stdout, stderr } = await oomscope(['replay', file]);
    expect(stderr).toContain(part);
    expect(stdout).toBe('');
    expect(code).toBe(exit);
  });
});

describe('a recording that lacks what a rule reads', () => {
  const rule = (more: string) => `[guard]
default_protection = false
[[guard.rule]]
name = "web"
when = ["available < 10 %"]
${more}
steps = [{ do = "kill" }]
`;
  it.each([
    ['oom_score', 'rank = "oom_score"', 'rule "web" reads: record with `oomscope record --config`'],
    ['exe', 'never = [{ exe = "^/usr/bin/" }]', 'rule "web" reads: record with `oomscope record --config`'],
    ['cwd', 'avoid = [{ cwd = "^/home" }]', 'rule "web" reads: record with `oomscope record --config`'],
    ['environ', 'avoid = [{ environ = "^USER=" }]', 'rule "web" reads: it may contain secrets and is never recorded'],
    ['cmdline', 'avoid = [{ cmdline = "x" }]', 'rule "web" reads: record with `oomscope record --cmdline`'],
  ])('is refused: %s', async (name, more, part) => {
    const config = join(directory, 'needs.toml');
    writeFileSync(config, rule(more));
    const { code, stdout, stderr } = await replay(join(fixtures, 'system.jsonl'), config);
    expect(stderr).toContain(`The recording has no ${name} of processes, which ${part}`);
    expect({ code, stdout }).toEqual({ code: 65, stdout: '' });
  });

  it('is what `oomscope record` makes only without --cmdline', async () => {
    const config = join(directory, 'needs.toml');
    const file = join(directory, 'mine.jsonl');
    writeFileSync(config, rule('rank = "oom_score"\nnever = [{ exe = "^/usr/bin/" }]'));
    writeFileSync(file, (await oomscope(['record', '--duration', '150ms'])).stdout);
    expect(await replay(file, config)).toMatchObject({ code: 0, stdout: '' });
  });
});

describe('reads a recording', () => {
  const overload = join(fixtures, 'overload.jsonl');
  const packed = (name: string, pack: (bytes: Buffer) => Buffer) => {
    const file = join(directory, name);
    writeFileSync(file, pack(readFileSync(overload)));
    return file;
  };
  const zstd = (zlib as Partial<typeof zlib>).zstdCompressSync; // Node 22.15 and later

  it('packed with gzip', async () => {
    expect(kills((await replay(packed('overload.gz', zlib.gzipSync))).events)).toEqual(['leaker']);
  });

  it('packed with zstd, or says how to unpack it', async () => {
    const magic = Buffer.from('28b52ffd00000000', 'hex');
    const { code, stderr, events } = await replay(packed('overload.zst', zstd ?? (() => magic)));
    if (zstd) expect(kills(events)).toEqual(['leaker']);
    else expect({ code, stderr }).toMatchObject({ code: 65, stderr: expect.stringContaining('zstdcat') });
  });

  it('from standard input', async () => {
    const command = ['sh', '-c', `exec "$0" "$@" <'${overload}'`, process.execPath, MAIN];
    const { code, stdout } = await oomscope(
      ['replay', '-', '--config', join(fixtures, 'rules.toml'), '--json'],
      command,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('"would_kill"');
  });

  it('that is damaged, and says so', async () => {
    const { code, stderr } = await replay(packed('damaged.gz', (bytes) => zlib.gzipSync(bytes).subarray(0, 2000)));
    expect(code).toBe(65);
    expect(stderr).toContain('damaged');
  });
});

describe('the exit of a victim', () => {
  const times = (events: Event[]) =>
    events.flatMap(({ type, mono_ns }) =>
      type === 'guard.action' || type === 'guard.result' ? [Number(mono_ns) / 1e6] : [],
    );

  it('takes time, and its memory is free only then', async () => {
    const { events } = await replay(join(fixtures, 'overload.jsonl'));
    const [, signalled = 0, gone = 0] = times(events);
    expect(gone - signalled).toBeGreaterThan(30); // 200 MiB
    expect(gone - signalled).toBeLessThan(200);
  });

  it('that takes long is followed by the next step, not by the next victim', async () => {
    const { stdout } = await oomscope([
      ...['replay', join(fixtures, 'overload.jsonl'), '--config', join(fixtures, 'rules.toml')],
      ...['--exit-time', '1m', '--json'],
    ]);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Event);
    expect(kills(events)).toEqual(['leaker']);
    expect(events.filter(({ type }) => type === 'guard.plan')).toHaveLength(1);
  });
});

test('record writes samples of the running system', async () => {
  const { code, stdout } = await oomscope(['record', '--duration', '350ms', '--processes', '5']);
  expect(code).toBe(0);
  const samples = stdout.trimEnd().split('\n').map(readSample);
  expect(samples.length).toBeGreaterThanOrEqual(2);
  for (const sample of samples) {
    expect(sample?.system.available_bytes).toBeGreaterThan(0);
    expect(sample?.processes?.length).toBeGreaterThan(0);
    expect(sample?.processes?.filter(({ cmdline }) => cmdline !== null)).toEqual([]);
  }
});
