/** Lists, stories and sums of a history, as the library reads them and as `oomscope history` prints them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entryOf } from '../../src/history/entry.ts';
import { hintOfRoot } from '../../src/history/file.ts';
import type { Filter } from '../../src/history/filter.ts';
import { History } from '../../src/history/query.ts';
import { HistoryRecorder } from '../../src/history/recorder.ts';
import type { Event } from '../../src/model/events.ts';
import { guardAction, guardResult, HOSTILE, lost, pressureLevel } from '../alerts/alerts.ts';
import { oomscope } from '../cli/cli.ts';
import { aKill, aLoggedReport, aReaped, recorded } from './made-events.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-history-'));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'history.db');
const day = (number: number, hour = 12) => new Date(2026, 10, number, hour).getTime();

const kills = {
  db: aKill({ timeMs: day(1), comm: 'postgres', container: 'shop-db' }),
  web: aKill({ timeMs: day(2, 3), comm: 'node', container: 'shop-web' }),
  again: aKill({ timeMs: day(3, 3), comm: 'node', container: 'shop-web' }),
  hostile: aKill({ timeMs: day(4), comm: HOSTILE }),
};
const missed = aKill({ timeMs: day(5), comm: 'java', monoMs: 900_000 });
/** An event of a helper at the day of a kill. */
const at = <T extends Event>(event: T, timeMs: number): T => ({
  ...event,
  time: `${new Date(timeMs).toISOString().slice(0, -1)}000000Z`,
});

beforeAll(async () => {
  const limits = { maxAgeMs: 365 * 86_400_000, maxBytes: 2 ** 28 };
  const recorder = new HistoryRecorder({ path, ...limits, tell: () => {}, onLost: () => {} });
  for (const kill of Object.values(kills)) recorder.take(kill);
  recorder.take(aReaped(kills.db));
  recorder.addLogged([aLoggedReport(missed)].flatMap((report) => entryOf(report) ?? []));
  const episode = { episode: 'e1', path: kills.db.limit?.path ?? '' };
  recorder.take(at(pressureLevel('medium', 'normal', episode), day(1) - 20_000));
  recorder.take(
    at({ ...pressureLevel('normal', 'medium', { ...episode, peak: 'medium' }), duration_ns: 9e9 }, day(1) - 11_000),
  );
  recorder.take(at(guardAction('kill', 'done'), day(2)));
  recorder.take(at(guardResult('killed'), day(2)));
  recorder.take(at(lost(), day(2)));
  for (const event of recorded()) recorder.take(event);
  await recorder.close();
});

async function ids(filter: Filter, limit = 100): Promise<string[]> {
  using history = await History.open(path);
  return history.list(filter, limit).map(({ id }) => id);
}

it('hints at the history of root only where there can be one, and not to root', () => {
  expect(hintOfRoot(1000, directory)).toContain(`${directory}: run the command as root (sudo).`);
  expect([hintOfRoot(0, directory), hintOfRoot(1000, join(directory, 'none'))]).toEqual(['', '']);
});

describe('the list', () => {
  it('finds kills by name, container, pod, unit, time and kind', async () => {
    expect(await ids({ names: ['postgres'] })).toEqual([kills.db.id]);
    expect(await ids({ containers: ['shop-*'] })).toEqual([kills.again.id, kills.web.id, kills.db.id]);
    expect(await ids({ containers: ['shop-*'], sinceMs: day(2), untilMs: day(4) })).toEqual([kills.again.id]);
    expect(await ids({ containers: [kills.web.victim.container?.id.slice(0, 12) ?? ''], names: ['node'] }, 1)).toEqual([
      kills.again.id,
    ]);
    expect(await ids({ pods: ['nothing'] })).toEqual([]);
    const logged = await ids({ kinds: ['logged'] });
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatch(/^log-/);
  });

  it('has an episode, and a plan of the guard, once', async () => {
    using history = await History.open(path);
    const episodes = history.list({ kinds: ['pressure'], untilMs: day(6) }, 100);
    expect(episodes.map(({ event }) => event.type === 'pressure.level' && event.level)).toEqual(['normal']);
    const guard = history.list({ kinds: ['guard'] }, 100).map(({ type }) => type);
    expect(guard).toEqual(['guard.result']);
  });

  it('goes on before an entry, so that a reader can fetch all of a long history in parts', async () => {
    using history = await History.open(path);
    const all = history.list({}, 100).map(({ number }) => number);
    const parts: number[] = [];
    for (let part = history.list({}, 2); part.length > 0; ) {
      parts.push(...part.map(({ number }) => number));
      const { timeMs, number } = part.at(-1) ?? { timeMs: 0, number: 0 };
      part = history.list({ before: { timeMs, number } }, 2);
    }
    expect(parts).toEqual(all);
  });

  it('answers a pattern that would take for ever in a naive search', async () => {
    const begin = performance.now();
    expect(await ids({ names: [`${'*a'.repeat(5000)}b`] })).toEqual([]);
    expect(performance.now() - begin).toBeLessThan(5000);
  });
});

describe('a story', () => {
  it('has the kill, its recovery, and the pressure of its cgroup around it', async () => {
    using history = await History.open(path);
    const story = history.story(kills.db.id);
    expect(story.head).toEqual(kills.db);
    expect(story.parts.map(({ type }) => type)).toEqual(['oom.kill', 'oom.reaped']);
    expect(story.around.map(({ type }) => type)).toEqual(['pressure.level', 'pressure.level']);
    expect(history.story(`${kills.db.id}-reaped`).head).toEqual(kills.db);
    expect(history.story(String(story.number)).head).toEqual(kills.db);
  });

  it('is refused for an id that there is not, and for the beginning of several', async () => {
    using history = await History.open(path);
    expect(() => history.story('nothing')).toThrow(/no entry "nothing"/);
    expect(() => history.story('made-')).toThrow(/Several entries/);
    expect(() => history.story("' OR 1=1 --")).toThrow(/no entry/);
  });
});

describe('the command', () => {
  const history = (...args: string[]) => oomscope(['history', ...args, '--path', path]);

  it('lists entries with their days, and marks what only the kernel’s log has', async () => {
    const { stdout, code } = await history('--until', '2026-11-10');
    expect(code).toBe(0);
    expect(stdout).toContain('2026-11-01\n');
    expect(stdout).toMatch(/ killed +postgres \(pid \d+\) was killed\./);
    expect(stdout).toMatch(/ logged +\(log\) taker \(pid 270\) was killed/);
    expect(stdout).not.toContain('\x1b[2J');
  });

  it('prints the events themselves as JSON Lines, and says when nothing matches', async () => {
    const { stdout } = await history('--json', '--name', 'postgres');
    expect(JSON.parse(stdout)).toEqual(kills.db);
    const none = await history('--name', 'nothing');
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toContain('No entry matches.');
  });

  it('counts by day, by hour and by workload', async () => {
    const rows = async (...args: string[]) =>
      (await history('stats', '--json', '--until', '2026-11-10', ...args)).stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const byDay = await rows();
    expect(byDay.map((row) => [row.day, row.kernel, row.logged, row.guard, row.pressure])).toEqual([
      ['2026-11-01', 1, 0, 0, 1],
      ['2026-11-02', 1, 0, 1, 0],
      ['2026-11-03', 1, 0, 0, 0],
      ['2026-11-04', 1, 0, 0, 0],
      ['2026-11-05', 0, 1, 0, 0],
    ]);
    expect((await rows('--by', 'hour')).find(({ hour }) => hour === '03:00')).toMatchObject({ kernel: 2 });
    expect((await rows('--by', 'workload'))[0]).toMatchObject({ workload: 'container shop-web', kernel: 2 });
  });

  it('shows a story as text, as Markdown and as a page that loads nothing', async () => {
    const [kill] = recorded().filter(({ type }) => type === 'oom.kill');
    const text = (await history('show', kill?.id ?? '')).stdout;
    for (const part of ['Before', 'What happened', 'The kernel’s report', 'recovery']) expect(text).toContain(part);
    const markdown = (await history('show', kill?.id ?? '', '--markdown')).stdout;
    expect(markdown).toContain('### What happened');
    const page = (await history('show', kill?.id ?? '', '--html')).stdout;
    expect(page).not.toMatch(/\b(?:src|href)\s*=\s*["']?https?:/);
    const archive = /<template id="archive">([^<]*)</.exec(page)?.[1] ?? '';
    expect(JSON.parse(inflateRawSync(Buffer.from(archive, 'base64')).toString()).head).toEqual(kill);
    const hostile = (await history('show', kills.hostile.id, '--markdown')).stdout;
    expect(hostile).not.toContain('<!channel>');
  });

  it('says what is wrong with a request, a file and a configuration', async () => {
    const failing = async (...args: string[]) => {
      const { code, stderr } = await oomscope(['history', ...args]);
      return `${code} ${stderr}`;
    };
    const wrong = join(directory, 'wrong.db');
    writeFileSync(wrong, 'no database '.repeat(500));
    const config = join(directory, 'c.toml');
    writeFileSync(config, '[pressure]\nenabled = true\n');
    mkdirSync(join(directory, 'empty'), { recursive: true });
    expect(await failing('--path', wrong)).toMatch(/^65 .*it is not a database/s);
    expect(await failing('--path', join(directory, 'none.db'))).toMatch(/^66 .*There is no history/s);
    expect(await failing('--path', directory)).toMatch(/^65 .*expected a regular file, got a directory/s);
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    expect(await failing('--path', fifo)).toMatch(/^65 .*expected a regular file, got a FIFO/s);
    expect(await failing('--path', path, '--since', 'now', '--until', '-2h')).toMatch(/^2 .*not after it/s);
    expect(await failing('--path', path, '--since', '-1s')).toMatch(/^1 .*No entry matches/s);
    expect(await failing('--config', config)).toMatch(/^2 .*no \[history\] section/s);
    expect(await failing('--since', 'soon')).toMatch(/^2 .*--since: expected a time such as/s);
    for (const reference of ['4711', 'nothing'])
      expect(await failing('show', reference, '--path', path)).toMatch(/^1 .*The history has no entry/s);
    expect(await failing('show')).toMatch(/^2 .*number or id/s);
    expect(await failing('list')).toMatch(/^2 .*got "list"/s);
    expect(await failing('--html')).toMatch(/^2 .*with `show` only/s);
    expect(await failing('--kind', 'kill')).toMatch(/^2 .*expected one of killed/s);
  });
});
