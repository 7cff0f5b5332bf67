/** The history on a disk that is damaged, locked, full or slow, and after a kill -9. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { entryOf } from '../../src/history/entry.ts';
import { defaultHistoryPath } from '../../src/history/file.ts';
import { History } from '../../src/history/query.ts';
import { HistoryRecorder, type RecorderOptions } from '../../src/history/recorder.ts';
import { migrate, schemaVersion, VERSION_NOW } from '../../src/history/schema.ts';
import { isWalSafe } from '../../src/history/sqlite.ts';
import type { OomKill } from '../../src/model/oom-kill.ts';
import { until } from '../alerts/receiver.ts';
import { aKill, aLoggedReport, recorded } from './made-events.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-history-'));
afterAll(() => rmSync(directory, { recursive: true }));

const DAY_MS = 86_400_000;
let files = 0;
const newPath = () => {
  const own = join(directory, String(++files));
  mkdirSync(own);
  return join(own, 'history.db');
};

function record(path: string, options: Partial<RecorderOptions> = {}) {
  const told: string[] = [];
  const lost: Record<string, number>[] = [];
  const recorder = new HistoryRecorder({
    ...{ path, maxAgeMs: 90 * DAY_MS, maxBytes: 2 ** 28 },
    tell: (sentence) => told.push(sentence),
    onLost: (counts) => lost.push(counts),
    ...options,
  });
  return { recorder, told, lost };
}

const logged = (...reports: Parameters<typeof entryOf>[0][]) => reports.flatMap((report) => entryOf(report) ?? []);

async function listed(path: string) {
  using history = await History.open(path);
  return history.list({}, 10_000);
}

describe('the history', () => {
  it('keeps whole events in a file that only its user writes and its group reads', async () => {
    const path = newPath();
    const { recorder, told } = record(path);
    for (const event of recorded()) recorder.take(event);
    await recorder.close();
    expect(statSync(path).mode & 0o777).toBe(0o640);
    const [kill] = recorded().filter(({ type }) => type === 'oom.kill');
    const rows = await listed(path);
    expect(rows.find(({ kind }) => kind === 'killed')?.event).toEqual(kill);
    using history = await History.open(path);
    const types = history.story(kill?.id ?? '').parts.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['oom.kill', 'oom.reaped', 'oom.report']));
    expect(told).toEqual([]);
  });

  it('keeps a kill once, whether the tracer or the kernel’s log brings it first, and again at the next start', async () => {
    const path = newPath();
    const [traced, early, missed] = [aKill(), aKill(), aKill()];
    for (const round of [1, 2]) {
      const { recorder } = record(path);
      await recorder.opened;
      if (round === 1) recorder.addLogged(logged(aLoggedReport(early)));
      recorder.take(traced);
      recorder.take(early);
      recorder.addLogged(
        logged(aLoggedReport(traced, 900), aLoggedReport(early, -900), aLoggedReport(missed), aLoggedReport(missed, 5)),
      );
      await recorder.close();
    }
    const rows = await listed(path);
    expect(rows.map(({ id, pid, kind }) => [kind, kind === 'logged' ? pid : id]).sort()).toEqual(
      [
        ['killed', traced.id],
        ['killed', early.id],
        ['logged', missed.victim.pid],
      ].sort(),
    );
  });

  it('joins a report that the tracer could not match with its kill, whichever comes first', async () => {
    const path = newPath();
    const { recorder } = record(path);
    const kills = [aKill(), aKill()] as const;
    const unmatched = (kill: OomKill) => ({
      ...aLoggedReport(kill),
      source: 'bpf:printk/console',
      mono_ns: kill.mono_ns,
    });
    recorder.take(kills[0]);
    recorder.take(unmatched(kills[0]));
    recorder.take(unmatched(kills[1]));
    recorder.take(kills[1]);
    await recorder.close();
    expect((await listed(path)).map(({ id }) => id).sort()).toEqual(kills.map(({ id }) => id).sort());
    using history = await History.open(path);
    for (const { id } of kills)
      expect(
        history
          .story(id)
          .parts.map(({ type }) => type)
          .sort(),
      ).toEqual(['oom.kill', 'oom.report']);
    expect(history.stats('day', {}, 10)).toMatchObject([{ kernel: 2, logged: 0 }]);
  });

  it('keeps two kills of a reused pid, in one boot and in two', async () => {
    const path = newPath();
    const first = aKill({ pid: 77, monoMs: 1000 });
    const later = aKill({ pid: 77, monoMs: 200_000 });
    const { recorder } = record(path);
    recorder.take(first);
    recorder.addLogged(
      logged(aLoggedReport(later), {
        ...aLoggedReport(first),
        boot_id: '99999999-0',
        time: '2026-01-01T00:00:00.000000000Z',
      }),
    );
    await recorder.close();
    expect((await listed(path)).map(({ kind }) => kind).sort()).toEqual(['killed', 'logged', 'logged']);
  });

  it('moves a damaged file aside and begins a new one, at the start and while it runs', async () => {
    for (const damage of ['start', 'running']) {
      const path = newPath();
      if (damage === 'start') writeFileSync(path, 'no database '.repeat(1000), { mode: 0o640 });
      const { recorder, told } = record(path);
      await recorder.opened;
      if (damage === 'running') {
        for (let i = 0; i < 2000; i++) recorder.take(aKill());
        await until(() => recorder.waiting === 0);
        await recorder.close();
        const bytes = readFileSync(path);
        bytes.fill(0x5a, 4096 * 2, bytes.length);
        writeFileSync(path, bytes);
        const again = record(path);
        const kill = aKill();
        again.recorder.take(kill);
        await again.recorder.close();
        expect(again.told.join()).toContain('was damaged');
        expect((await listed(path)).map(({ id }) => id)).toEqual([kill.id]);
      } else {
        recorder.take(aKill());
        await recorder.close();
        expect(told).toEqual([`The history ${path} was damaged: it is now ${path}.damaged, and a new one was begun.`]);
        expect(await listed(path)).toHaveLength(1);
      }
      expect(existsSync(`${path}.damaged`)).toBe(true);
      expect(statSync(path).mode & 0o777).toBe(0o640);
    }
  });

  it('says that the file is locked, keeps events in memory, and writes them when it is free', async () => {
    const path = newPath();
    const { recorder, told, lost } = record(path);
    await recorder.opened;
    const locker = new DatabaseSync(path);
    locker.exec('BEGIN IMMEDIATE');
    const kills = [aKill(), aKill()];
    for (const kill of kills) recorder.take(kill);
    await until(() => told.length > 0);
    expect(told[0]).toContain('cannot be written: another process has locked it');
    locker.exec('COMMIT');
    locker.close();
    await until(() => recorder.waiting === 0);
    expect(told.at(-1)).toContain('is written again');
    await recorder.close();
    expect((await listed(path)).map(({ id }) => id).sort()).toEqual(kills.map(({ id }) => id).sort());
    expect(lost).toEqual([]);
  });

  it('drops and counts what its bounded queue cannot hold, and never waits', async () => {
    const path = newPath();
    const { recorder, told, lost } = record(path, { queueBytes: 100_000 });
    await recorder.opened;
    const locker = new DatabaseSync(path);
    locker.exec('BEGIN IMMEDIATE');
    const count = 3000;
    for (let i = 0; i < count; i++) recorder.take(aKill());
    await until(() => told.length > 0);
    for (let i = 0; i < count; i++) recorder.take(aKill());
    locker.exec('COMMIT');
    locker.close();
    await until(() => recorder.waiting === 0);
    await recorder.close();
    const dropped = lost.reduce((sum, counts) => sum + (counts['oom.kill'] ?? 0), 0);
    expect(dropped).toBeGreaterThan(count);
    using history = await History.open(path);
    expect(history.extent().entries + dropped).toBe(2 * count);
  });

  it('leaves a file of a newer oomscope as it is, and says so', async () => {
    const path = newPath();
    const database = new DatabaseSync(path);
    database.exec(`CREATE TABLE future (x); PRAGMA user_version = ${VERSION_NOW + 1}`);
    database.close();
    chmodSync(path, 0o640);
    const before = readFileSync(path);
    const { recorder, told } = record(path);
    recorder.take(aKill());
    await until(() => told.length > 0);
    await recorder.close();
    expect(told[0]).toContain('a newer oomscope wrote it');
    expect(readFileSync(path).equals(before)).toBe(true);
    await expect(History.open(path)).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  it('drops the oldest entries when the file is full, says so once, and keeps the file below its limit', async () => {
    const path = newPath();
    const maxBytes = 4 * 2 ** 20;
    const { recorder, told } = record(path, { maxBytes });
    const ids: string[] = [];
    for (let i = 0; i < 4000; i++) {
      const kill = aKill();
      ids.push(kill.id);
      recorder.take(kill);
      if (i % 500 === 499) await until(() => recorder.waiting === 0, 60_000);
    }
    await recorder.close();
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('because it has reached 4 MiB (max_size)');
    expect(statSync(path).size).toBeLessThanOrEqual(maxBytes);
    const rows = await listed(path);
    expect(rows.length).toBeGreaterThan(500);
    expect(rows.length).toBeLessThan(4000);
    expect(rows.map(({ id }) => id).reverse()).toEqual(ids.slice(-rows.length));
    using history = await History.open(path);
    expect(history.extent().removed).toMatchObject([{ cause: 'size', entries: 4000 - rows.length }]);
  });

  it('ages entries by the time at which they were kept, so that a clock that was set back removes none', async () => {
    const path = newPath();
    const first = record(path);
    first.recorder.take(aKill());
    await first.recorder.close();
    // The clock of this event says 1970, as before the first synchronisation after a boot without a battery.
    const second = record(path);
    second.recorder.take(aKill({ timeMs: 1000 }));
    await second.recorder.close();
    // The limits are checked after a hundredth of the largest size was written.
    const many = async (recorder: HistoryRecorder) => {
      for (let i = 0; i < 2100; i++) {
        recorder.take(aKill());
        if (i % 300 === 0) await until(() => recorder.waiting === 0);
      }
    };
    const third = record(path, { maxAgeMs: 3_600_000 });
    await many(third.recorder);
    await third.recorder.close();
    const rows = await listed(path);
    expect(rows).toHaveLength(2102);
    const database = new DatabaseSync(path);
    database.exec(`UPDATE entry SET kept_ms = kept_ms - ${2 * 3_600_000} WHERE number = 1`);
    database.close();
    const fourth = record(path, { maxAgeMs: 3_600_000 });
    await many(fourth.recorder);
    await until(() => fourth.told.length > 0);
    expect(fourth.told[0]).toContain('(max_age)');
    await fourth.recorder.close();
    using history = await History.open(path);
    expect(history.extent().removed).toMatchObject([{ cause: 'age', entries: 1 }]);
  });

  it('keeps to kill -9 what it has written a fifth of a second after it was taken, and the file is whole', async () => {
    const path = newPath();
    const script = join(import.meta.dirname, 'storm.ts');
    for (let round = 0; round < 2; round++) {
      const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      let told = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        told += text;
      });
      await until(() => told.split('\n').length > 12, 60_000);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      // Each line says how many events were on the disk.
      const old = Number(told.trimEnd().split('\n').at(-1));
      const database = new DatabaseSync(path);
      expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
      const kept = Number(
        database.prepare('SELECT count(*) AS n FROM entry WHERE id LIKE ?').get(`made-${child.pid}-%`)?.n,
      );
      database.close();
      expect(kept).toBeGreaterThanOrEqual(old);
    }
  });

  it.runIf(process.getuid?.() === 0)(
    'goes on while the disk is full, and writes again when there is room',
    async () => {
      const mount = join(directory, 'small');
      mkdirSync(mount);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=700', 'tmpfs', mount]);
      expect(String(mounted.stderr)).toBe('');
      try {
        const filler = join(mount, 'filler');
        const path = join(mount, 'history.db');
        const { recorder, told } = record(path);
        recorder.take(aKill());
        await until(() => recorder.waiting === 0);
        spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']);
        const kills = Array.from({ length: 600 }, () => aKill());
        for (const kill of kills) recorder.take(kill);
        await until(() => told.length > 0);
        expect(told[0]).toMatch(/the disk is full|the disk reports an error, or is full/);
        expect(recorder.waiting).toBeGreaterThan(0);
        rmSync(filler);
        await until(() => recorder.waiting === 0, 60_000);
        await recorder.close();
        expect(await listed(path)).toHaveLength(601);
      } finally {
        spawnSync('umount', ['-l', mount]);
      }
    },
  );

  it('refuses a path that another user could change, and says what to do', () => {
    const path = newPath();
    symlinkSync('/etc/passwd', path);
    expect(() => record(path)).toThrow(/symbolic link: remove it, or choose another path/);
    const open = join(directory, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    expect(() => record(join(open, 'history.db'))).toThrow(/other users can write to it/);
    expect(() => record('history.db')).toThrow(/expected an absolute path/);
  });
});

it('knows in which versions of SQLite the write-ahead log is safe', () => {
  const safe = ['3.44.6', '3.50.7', '3.51.3', '3.53.4', '4.0.0'];
  const unsafe = ['3.43.9', '3.44.5', '3.45.0', '3.47.2', '3.50.6', '3.51.2', ''];
  expect([...safe, ...unsafe].map(isWalSafe)).toEqual([...safe.map(() => true), ...unsafe.map(() => false)]);
});

it('migrates an older file step by step, and leaves it as it was when a step fails', () => {
  const database = new DatabaseSync(':memory:');
  const steps = ['CREATE TABLE a (x)', 'ALTER TABLE a ADD COLUMN y', 'CREATE TABLE b (z)'];
  migrate(database, steps.slice(0, 1));
  migrate(database, steps);
  expect(schemaVersion(database)).toBe(3);
  expect(() => migrate(database, [...steps, 'CREATE TABLE c (z); CREATE TABLE b (z)'])).toThrow(/already exists/);
  expect(schemaVersion(database)).toBe(3);
  expect(database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'c'").get()).toEqual({ n: 0 });
});

it('is in the state directory by default', () => {
  expect(defaultHistoryPath({}, 0)).toBe('/var/lib/oomscope/history.db');
  expect(defaultHistoryPath({ STATE_DIRECTORY: '/var/lib/x:/var/lib/y' }, 0)).toBe('/var/lib/x/history.db');
  expect(defaultHistoryPath({ HOME: '/home/ann' }, 1000)).toBe('/home/ann/.local/state/oomscope/history.db');
});
