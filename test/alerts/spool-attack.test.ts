/** Spools in a directory that another user has prepared, with damaged files, or on a full disk. */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher } from '../../src/alerts/dispatch.ts';
import type { LaneReport } from '../../src/alerts/lane.ts';
import type { Sink } from '../../src/alerts/sinks/sink.ts';
import { Spool } from '../../src/alerts/spool.ts';
import { ended, ROOT } from '../cli/cli.ts';
import { anAlert, oomKill } from './alerts.ts';
import { until } from './receiver.ts';

const isRoot = process.geteuid?.() === 0;
let above: string;
let directory: string;
const troubles: string[] = [];
const spool = (at = directory) => new Spool({ directory: at, onTrouble: (message) => troubles.push(message) });
const name = (number: number) => `${String(number).padStart(12, '0')}.json`;

beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), 'oomscope-spool-'));
  directory = join(above, 'spool');
  troubles.length = 0;
});
afterEach(() => rmSync(above, { recursive: true }));

function prepare(files: Record<string, string> = {}): void {
  mkdirSync(directory, { mode: 0o700 });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text, { mode: 0o600 });
}

/** A sink that records the titles of alerts, or fails. */
function recorder(works = true): { sink: Sink; titles: string[] } {
  const titles: string[] = [];
  const sink: Sink = {
    name: 'recorder',
    async deliver({ title }) {
      if (!works) return { outcome: 'retry', reply: 'down' };
      titles.push(title);
      return { outcome: 'delivered', reply: 'ok' };
    },
  };
  return { sink, titles };
}

describe('a symbolic link that another user put into the directory', () => {
  it('is not followed when it has the name of the file being written', async () => {
    const target = join(above, 'target');
    writeFileSync(target, 'precious');
    prepare();
    symlinkSync(target, join(directory, `${name(1)}.new`));
    const queue = spool();
    // The constructor removed the link with other leftovers: make it again.
    symlinkSync(target, join(directory, `${name(1)}.new`));
    queue.push(anAlert({ title: 'first' }));
    await queue.close();
    expect(readFileSync(target, 'utf8')).toBe('precious');
    expect(JSON.parse(readFileSync(join(directory, name(1)), 'utf8')).title).toBe('first');
  });

  it('is not followed when it has the name of the lock file', () => {
    const target = join(above, 'target');
    writeFileSync(target, 'precious');
    prepare();
    symlinkSync(target, join(directory, 'lock'));
    expect(() => spool()).toThrow(/ELOOP/);
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it('is refused when it has the name of the spool directory', () => {
    mkdirSync(join(above, 'elsewhere'));
    symlinkSync(join(above, 'elsewhere'), directory);
    expect(() => spool()).toThrow(/expected a directory at .*spool, got something else/);
  });
});

describe('a directory that other users control', () => {
  it.each([0o777, 0o770, 0o1777])('is refused with mode %o', (mode) => {
    mkdirSync(directory);
    chmodSync(directory, mode);
    expect(() => spool()).toThrow(/other users can write to it/);
  });

  it.skipIf(!isRoot)('is refused when it belongs to another user', () => {
    prepare();
    chownSync(directory, 12_345, 12_345);
    expect(() => spool()).toThrow(/it belongs to the user 12345/);
  });

  it('gets no alerts when it replaces the directory of an open spool', async () => {
    const queue = spool();
    renameSync(directory, `${directory}-moved`);
    mkdirSync(directory);
    queue.push(anAlert());
    await queue.close();
    expect(readdirSync(directory)).toEqual([]);
    expect(readdirSync(`${directory}-moved`)).toEqual([name(1)]);
  });
});

const whole = () => JSON.stringify(anAlert({ title: 'whole' }));
const poisons: [string, (path: string) => void][] = [
  ...['{}', 'null', '[]', '""', '0', '', '{"id":', '\0\0\0\0', '{"schema":"oomscope/alert/v1"}'].map(
    (text): [string, (path: string) => void] => [
      JSON.stringify(text),
      (path) => writeFileSync(path, text, { mode: 0o600 }),
    ],
  ),
  ['labels that are no texts', (path) => writeFileSync(path, whole().replace('"n1"', '{}'), { mode: 0o600 })],
  [
    'an invalid time',
    (path) => writeFileSync(path, JSON.stringify({ ...anAlert(), starts_at: 'soon' }), { mode: 0o600 }),
  ],
  [
    'a kill without a victim',
    (path) =>
      writeFileSync(path, JSON.stringify(anAlert({ event: { ...oomKill('killed'), victim: null as never } })), {
        mode: 0o600,
      }),
  ],
  [
    'an event that is nested too deeply',
    (path) =>
      writeFileSync(
        path,
        whole().replace('"event":null', `"event":{"type":"x","a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`),
        { mode: 0o600 },
      ),
  ],
  ['a FIFO', (path) => execFileSync('mkfifo', ['-m', '600', path])],
  ['a directory', (path) => mkdirSync(path)],
  ['a link to /dev/zero', (path) => symlinkSync('/dev/zero', path)],
  [
    'a symbolic link to a valid alert',
    (path) => {
      writeFileSync(`${path}.target`, whole(), { mode: 0o600 });
      symlinkSync(`${path}.target`, path);
    },
  ],
  [
    'a hard link',
    (path) => {
      writeFileSync(`${path}.other`, whole(), { mode: 0o600 });
      linkSync(`${path}.other`, path);
    },
  ],
  [
    'a file that every user can write to',
    (path) => {
      writeFileSync(path, whole());
      chmodSync(path, 0o666);
    },
  ],
  [
    '300 MB',
    (path) => {
      writeFileSync(path, whole(), { mode: 0o600 });
      truncateSync(path, 300e6);
    },
  ],
];
if (isRoot) {
  poisons.push([
    'a file of another user',
    (path) => {
      writeFileSync(path, whole(), { mode: 0o600 });
      chownSync(path, 12_345, 12_345);
    },
  ]);
}

describe('a damaged or hostile file is renamed and reported, and the next alert is delivered', () => {
  it.each(poisons)('%s', async (_, poison) => {
    prepare({ [name(2)]: whole() });
    poison(join(directory, name(1)));
    const { sink, titles } = recorder();
    const dispatcher = new Dispatcher([{ sink, queue: spool(), firstRetryMs: 1, mostRetryMs: 10 }]);
    dispatcher.send(anAlert({ title: 'new' }));
    await until(() => titles.length >= 2, 5_000);
    await dispatcher.close(0);
    expect(titles).toEqual(['whole', 'new']);
    expect(troubles).toEqual([
      expect.stringMatching(/000000000001\.json is not an alert and is kept as .*\.rejected: \S/),
    ]);
    expect(readdirSync(directory).filter((file) => /^\d+\.json$/.test(file))).toEqual([]);
    expect(readdirSync(directory)).toContain(`${name(1)}.rejected`);
  });

  it('is renamed when it has the last possible number, and later alerts get numbers', async () => {
    prepare({ [name(999_999_999_999)]: whole() });
    const queue = spool();
    queue.push(anAlert());
    await queue.close();
    expect(readdirSync(directory).sort()).toEqual([name(1), `${name(999_999_999_999)}.rejected`]);
  });

  it('is given up when the sink throws at each attempt, and the next alert is delivered', async () => {
    const { sink, titles } = recorder();
    const broken: Sink = {
      ...sink,
      deliver(alert, signal) {
        if (alert.title === 'poison') throw new TypeError('cannot read properties');
        return sink.deliver(alert, signal);
      },
    };
    const dispatcher = new Dispatcher([{ sink: broken, firstRetryMs: 1, mostRetryMs: 2 }]);
    for (const title of ['poison', 'next']) dispatcher.send(anAlert({ title }));
    await until(() => titles.length === 1);
    await dispatcher.close(0);
    expect(dispatcher.counts[0]?.counts).toMatchObject({ delivered: 1, failed: 1 });
  });
});

it('a spool is used by one process at a time, whatever lock file a dead process has left', {
  timeout: 120_000,
}, async () => {
  prepare({ lock: '4194303 12345' });
  const script = `
    import { mkdirSync, rmdirSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    const { Spool } = await import(${JSON.stringify(join(ROOT, 'dist/alerts/spool.js'))});
    let owned = 0;
    const end = Date.now() + 3000;
    while (Date.now() < end) {
      let queue;
      try { queue = new Spool({ directory: process.argv[1] }); } catch (error) {
        if (!/is used by/.test(error.message)) throw error;
        continue;
      }
      owned++;
      mkdirSync(process.argv[2]); // fails when another process has the lock
      await sleep(1);
      rmdirSync(process.argv[2]);
      await queue.close();
    }
    console.log(owned);`;
  const args = ['--input-type=module', '-e', script, directory, join(above, 'owner')];
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  const results = await Promise.all(children.map(ended));
  expect(results.map(({ code, stderr }) => [code, stderr])).toEqual(results.map(() => [0, '']));
  expect(results.reduce((sum, { stdout }) => sum + Number(stdout), 0)).toBeGreaterThan(25);
});

describe.skipIf(!isRoot)('on a full disk', () => {
  let disk: string;
  beforeEach(() => {
    disk = join(above, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]);
    directory = join(disk, 'spool');
  });
  afterEach(() => execFileSync('umount', [disk]));

  it('reports alerts on disk as kept for the next start, and the others as lost', async () => {
    const reports: LaneReport[] = [];
    const queue = spool();
    const { sink } = recorder(false);
    const dispatcher = new Dispatcher([{ sink, queue, firstRetryMs: 60_000 }], {
      onReport: (report) => reports.push(report),
    });
    for (let i = 0; i < 40; i++) dispatcher.send(anAlert({ title: String(i), message: 'x'.repeat(2000) }));
    await until(() => troubles.length > 0);
    await dispatcher.close(0);
    const files = readdirSync(directory);
    const kept = files.filter(
      (file) => JSON.parse(readFileSync(join(directory, file), 'utf8')).id !== undefined,
    ).length;
    expect(kept).toBeGreaterThan(5);
    expect(kept).toBeLessThan(40);
    expect(files).toHaveLength(kept);
    expect(dispatcher.counts[0]?.counts).toMatchObject({ waiting: kept, failed: 40 - kept });
    expect(reports.slice(-2).map(({ message }) => message)).toEqual([
      `recorder: ${kept} alerts kept for the next start.`,
      `recorder: ${40 - kept} alerts not delivered before the end.`,
    ]);
    expect(troubles).toHaveLength(1);
  });

  it('writes the alerts that it held in memory when the disk has room again', async () => {
    writeFileSync(join(disk, 'filler'), Buffer.alloc(60 * 1024));
    const queue = spool();
    for (let i = 0; i < 5; i++) queue.push(anAlert({ message: 'x'.repeat(2000) }));
    await until(() => troubles.length > 0);
    expect(queue.kept).toBeLessThan(5);
    rmSync(join(disk, 'filler'));
    await queue.close();
    expect(queue.kept).toBe(5);
    expect(readdirSync(directory)).toHaveLength(5);
  });
});
