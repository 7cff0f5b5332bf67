/**
 * Reads the history. Every query has a limit, and searches at most the columns of the file, which its size bounds: some
 * hundred thousand entries.
 */
import { existsSync, statSync } from 'node:fs';
import { kindProblem } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event } from '../model/events.ts';
import type { Story } from '../story/story.ts';
import { globMatch } from '../text/glob.ts';
import { printable } from '../text/printable.ts';
import { unpacked } from './body.ts';
import { type EntryKind, Rank } from './entry.ts';
import { type Cell, conditions, type Filter } from './filter.ts';
import { schemaVersion, VERSION_NOW } from './schema.ts';
import { codeOf, type DatabaseSync, loadSqlite, reasonOf, Sqlite } from './sqlite.ts';

/** A row of the list. */
export interface Row {
  number: number;
  id: string;
  timeMs: number;
  type: string;
  kind: EntryKind;
  logged: boolean;
  kills: number;
  name: string | null;
  pid: number | null;
  container: string | null;
  pod: string | null;
  unit: string | null;
  cgroup: string | null;
  event: Event;
}

export type Bucket = 'day' | 'hour' | 'workload';

/** The sums of one day, hour of the day, or workload. */
export interface Sum {
  name: string;
  /** Processes that the kernel killed: traced, and read from its log. */
  kernel: number;
  logged: number;
  guard: number;
  other: number;
  signal: number;
  /** Episodes of pressure. */
  pressure: number;
}

/** What the file has. */
export interface Extent {
  entries: number;
  firstMs: number | null;
  lastMs: number | null;
  bytes: number;
  removed: { cause: 'age' | 'size'; entries: number; beforeMs: number; timeMs: number }[];
}

const AROUND_BEFORE_MS = 300_000;
const AROUND_AFTER_MS = 60_000;
const MOST_PARTS = 200;
const MOST_AROUND = 60;

export class History implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    const glob = (pattern: unknown, text: unknown) =>
      Number(typeof text === 'string' && globMatch(String(pattern), text));
    database.function('matches', { deterministic: true }, glob);
  }

  /** @throws OomscopeError NO_INPUT, BAD_INPUT, NOT_PERMITTED */
  static async open(path: string): Promise<History> {
    const shown = printable(path);
    if (!existsSync(path)) {
      const make =
        'Give its path with --path or --config; `oomscope run` begins one if its configuration has [history].';
      throw new OomscopeError('NO_INPUT', `There is no history at ${shown}. ${make}`);
    }
    // SQLite would wait for ever for the other end of a FIFO.
    const wrong = kindProblem(statSync(path));
    if (wrong !== undefined) throw new OomscopeError('BAD_INPUT', `${shown} is no history: ${wrong}.`);
    const { DatabaseSync: Database } = await loadSqlite();
    let database: DatabaseSync | undefined;
    try {
      database = new Database(path, { readOnly: true });
      database.exec('PRAGMA busy_timeout = 3000; PRAGMA cache_size = -4096');
      checkVersion(schemaVersion(database), shown);
      return new History(database);
    } catch (error) {
      database?.close();
      throw error instanceof OomscopeError ? error : refusal(error, shown);
    }
  }

  /** The newest entries that match, the newest first. */
  list(filter: Filter, limit: number): Row[] {
    const { where, values } = conditions(filter);
    return this.#all(`${ROWS} WHERE ${where} ORDER BY time_ms DESC, number DESC LIMIT ?`, ...values, limit).map(rowOf);
  }

  /**
   * The story of an entry.
   *
   * @param reference its number, or the beginning of its id
   * @throws OomscopeError NO_ENTRY; USAGE: several entries have an id that begins so
   */
  story(reference: string): Story {
    const [first, second] = /^\d{1,15}$/.test(reference)
      ? this.#all('SELECT id, number, story, time_ms, cgroup FROM entry WHERE number = ?', Number(reference))
      : this.#all(
          'SELECT id, number, story, time_ms, cgroup FROM entry WHERE id >= ? AND id < ? ORDER BY id LIMIT 2',
          reference,
          `${reference}\u{10ffff}`,
        );
    const shown = JSON.stringify(reference.slice(0, 80));
    if (!first)
      throw new OomscopeError('NO_ENTRY', `The history has no entry ${shown}. \`oomscope history\` lists the numbers.`);
    if (second && first.id !== reference)
      throw new OomscopeError('USAGE', `Several entries have an id that begins with ${shown}: give more of it.`);
    const parts = this.#all(
      'SELECT number, rank, json FROM entry JOIN body USING (number) WHERE story = ? OR number = ? ORDER BY number LIMIT ?',
      ...[first.story as string | null, Number(first.number), MOST_PARTS],
    );
    const asked = parts.find(({ number }) => number === first.number);
    const head = asked?.rank === Rank.part ? (parts.find(({ rank }) => rank !== Rank.part) ?? asked) : asked;
    const numbers = new Set(parts.map(({ number }) => number));
    return {
      number: Number(head?.number ?? first.number),
      head: eventOf(head ?? {}),
      parts: parts.map(eventOf),
      around: this.#around(Number(first.time_ms), first.cgroup as string | null, numbers),
    };
  }

  /** Pressure, usage, decisions of the guard and ends of containers at that time, of the system or of the same cgroups. */
  #around(timeMs: number, cgroup: string | null, without: ReadonlySet<unknown>): Event[] {
    const rows = this.#all(
      `SELECT number, cgroup, json FROM entry JOIN body USING (number) WHERE time_ms BETWEEN ? AND ?
        AND kind IN ('pressure', 'usage', 'guard', 'stuck', 'container', 'lost') AND (cgroup IS NULL OR cgroup = '/' OR cgroup = ?
        OR substr(?, 1, length(cgroup) + 1) = cgroup || '/') ORDER BY abs(time_ms - ?) LIMIT ?`,
      ...[timeMs - AROUND_BEFORE_MS, timeMs + AROUND_AFTER_MS, cgroup, cgroup, timeMs, MOST_AROUND],
    );
    return rows.filter(({ number }) => !without.has(number)).map(eventOf);
  }

  /** Sums by day, by hour of the day, or by workload: the container, pod, unit or name of the victim. */
  stats(by: Bucket, filter: Filter, limit: number): Sum[] {
    const { where, values } = conditions({ ...filter, kinds: filter.kinds ?? ALL_SUMMED });
    const bucket = {
      day: "strftime('%Y-%m-%d', time_ms / 1000, 'unixepoch', 'localtime')",
      hour: "strftime('%H:00', time_ms / 1000, 'unixepoch', 'localtime')",
      workload: "coalesce('container ' || container, 'pod ' || pod, unit, name, cgroup, '?')",
    }[by];
    const sum = (...kinds: string[]) =>
      `sum(CASE WHEN kind IN (${kinds.map((kind) => `'${kind}'`).join()}) THEN kills ELSE 0 END)`;
    const order = by === 'workload' ? 'kernel + logged + guard + other + signal DESC, bucket' : 'bucket DESC';
    const rows = this.#all(
      `SELECT ${bucket} AS bucket, ${sum('killed', 'group_member', 'shared_memory')} AS kernel, ${sum('logged')} AS logged,
        ${sum('guard')} AS guard, ${sum('other')} AS other, ${sum('signal')} AS signal, sum(kind = 'pressure') AS pressure
        FROM entry WHERE ${where} GROUP BY bucket HAVING kernel + logged + guard + other + signal + pressure > 0
        ORDER BY ${order} LIMIT ?`,
      ...values,
      limit,
    );
    const count = (row: Record<string, unknown>, name: string) => Number(row[name]);
    const sums = rows.map((row) => ({
      name: String(row.bucket),
      kernel: count(row, 'kernel'),
      logged: count(row, 'logged'),
      guard: count(row, 'guard'),
      other: count(row, 'other'),
      signal: count(row, 'signal'),
      pressure: count(row, 'pressure'),
    }));
    return by === 'workload' ? sums : sums.reverse();
  }

  extent(): Extent {
    const [row] = this.#all('SELECT count(*) AS entries, min(time_ms) AS first, max(time_ms) AS last FROM entry');
    const pages = (name: string) => Number(this.#all(`PRAGMA ${name}`)[0]?.[name]);
    return {
      entries: Number(row?.entries),
      firstMs: (row?.first ?? null) as number | null,
      lastMs: (row?.last ?? null) as number | null,
      bytes: pages('page_count') * pages('page_size'),
      removed: this.#all('SELECT cause, entries, before_ms, time_ms FROM removal ORDER BY number').map((each) => ({
        cause: each.cause as 'age' | 'size',
        entries: Number(each.entries),
        beforeMs: Number(each.before_ms),
        timeMs: Number(each.time_ms),
      })),
    };
  }

  /** The listed entries that were kept after this one, the first ones first. undefined: there is no such entry */
  after(id: string, limit: number): Row[] | undefined {
    const [seen] = this.#all('SELECT number FROM entry WHERE id = ?', id);
    if (!seen) return undefined;
    return this.#all(`${ROWS} WHERE number > ? AND rank > 0 ORDER BY number LIMIT ?`, Number(seen.number), limit).map(
      rowOf,
    );
  }

  /** The id of the entry that was kept last. null: there is none. */
  newestId(): string | null {
    const [row] = this.#all('SELECT id FROM entry ORDER BY number DESC LIMIT 1');
    return row ? String(row.id) : null;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** @throws OomscopeError BAD_INPUT, NO_INPUT */
  #all(sql: string, ...values: Cell[]): Record<string, unknown>[] {
    try {
      return this.#database.prepare(sql).all(...values) as Record<string, unknown>[];
    } catch (error) {
      throw refusal(error, 'The history');
    }
  }
}

const ROWS =
  'SELECT number, id, time_ms, type, kind, logged, kills, name, pid, container, pod, unit, cgroup, json FROM entry JOIN body USING (number)';

const ALL_SUMMED: readonly EntryKind[] = [
  'killed',
  'group_member',
  'shared_memory',
  'logged',
  'other',
  'signal',
  'guard',
  'pressure',
];

function eventOf(row: Record<string, unknown>): Event {
  return JSON.parse(unpacked(row.json));
}

function rowOf(row: Record<string, unknown>): Row {
  return {
    number: Number(row.number),
    id: String(row.id),
    timeMs: Number(row.time_ms),
    type: String(row.type),
    kind: row.kind as EntryKind,
    logged: row.logged === 1,
    kills: Number(row.kills),
    pid: row.pid as number | null,
    ...pick(row, 'name', 'container', 'pod', 'unit', 'cgroup'),
    event: eventOf(row),
  };
}

type Texts = 'name' | 'container' | 'pod' | 'unit' | 'cgroup';

const pick = (row: Record<string, unknown>, ...names: Texts[]) =>
  Object.fromEntries(names.map((name) => [name, row[name] ?? null])) as Record<Texts, string | null>;

function checkVersion(version: number, shown: string): void {
  if (version === 0)
    throw new OomscopeError('BAD_INPUT', `${shown} is not a history of oomscope, or nothing was written to it yet.`);
  if (version > VERSION_NOW)
    throw new OomscopeError('BAD_INPUT', `A newer oomscope wrote ${shown}: read it with that version.`);
}

function refusal(error: unknown, shown: string): OomscopeError {
  const code = codeOf(error);
  if (code === Sqlite.corrupt || code === Sqlite.notDatabase) {
    const what = '`oomscope run` moves it aside and begins a new one when it writes next';
    return new OomscopeError('BAD_INPUT', `${shown} cannot be read: ${reasonOf(error)}; ${what}.`, { cause: error });
  }
  if (code === Sqlite.cantOpen || code === Sqlite.readOnly) {
    const why =
      'this user may not read it, or may not write to its directory, which SQLite needs while nobody else has it open';
    return new OomscopeError('NOT_PERMITTED', `${shown} cannot be opened: ${why}. Run as the user of the daemon.`, {
      cause: error,
    });
  }
  return new OomscopeError('NO_INPUT', `${shown} cannot be read: ${reasonOf(error)}.`, { cause: error });
}
