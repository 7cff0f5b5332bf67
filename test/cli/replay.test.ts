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
import { afterAll, describe, expect, it, test } from 'vitest';
import { readSample } from '../../src/guard/replay.ts';
import type { Event } from '../../src/model/events.ts';
import { schemaErrors } from '../schema.ts';
import { oomscope, ROOT } from './cli.ts';

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
