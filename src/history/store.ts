/** Writes entries to the file of the history. It is synchronous, so it runs in a worker thread. */
import { packed } from './body.ts';
import { type Entry, Rank } from './entry.ts';
import { migrate, schemaVersion, VERSION_NOW } from './schema.ts';
import { type DatabaseSync, isDamage, isWalSafe, type StatementSync, versionOf } from './sqlite.ts';

export interface StoreLimits {
  /** Entries that are older are removed (ms). */
  maxAgeMs: number;
  /** The largest size of the file in bytes. When it is reached, the oldest entries are removed. */
  maxBytes: number;
}

/** What was removed to keep a limit. */
export interface Removal {
  cause: 'age' | 'size';
  entries: number;
  /** Entries from before this time are gone (ms since 1970). */
  beforeMs: number;
}

/** Two reports of the same victim in the same boot within this time are about the same kill (ms). printk's clock differs. */
export const SAME_KILL_MS = 30_000;
/** Above this share of the size the oldest entries are removed, until it is below the other share. */
const FULL = 0.96;
const ROOM = 0.88;
/** Entries that are removed in one transaction. */
const SLICE = 500;
const PAGE = 4096;
/** Kilobytes of pages that SQLite keeps in memory. */
const CACHE_KIB = 1024;

export class HistoryStore {
  /** How it is written: `wal`, or `truncate` with a SQLite in which the write-ahead log is not safe. */
  readonly journal: 'wal' | 'truncate';
  readonly sqlite: string;
  readonly #database: DatabaseSync;
  readonly #limits: StoreLimits;
  readonly #insert: StatementSync;
  readonly #body: StatementSync;
  readonly #demote: StatementSync;
  readonly #same: StatementSync;
  readonly #attach: StatementSync;
  readonly #fact: StatementSync;
  #keptMs: number;
  /** Whether entries are being removed for the size. */
  #making = false;

  /** @throws an error of SQLite; Error the file was written by a newer oomscope */
  constructor(database: DatabaseSync, limits: StoreLimits) {
    this.#database = database;
    this.#limits = limits;
    this.sqlite = versionOf(database);
    const wal = isWalSafe(this.sqlite);
    // auto_vacuum must be set before the first table exists; a smaller limit later can then shrink the file.
    database.exec('PRAGMA busy_timeout = 250; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA mmap_size = 0');
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY`);
    const version = schemaVersion(database);
    if (version > VERSION_NOW) {
      throw new Error(`a newer oomscope wrote it (version ${version}, this one knows ${VERSION_NOW})`);
    }
    const mode = wal ? 'wal' : 'truncate';
    this.journal = database.prepare(`PRAGMA journal_mode = ${mode}`).get()?.journal_mode === 'wal' ? 'wal' : 'truncate';
    // With a write-ahead log NORMAL cannot damage the file, also when the power fails.
    database.exec(this.journal === 'wal' ? 'PRAGMA synchronous = NORMAL' : 'PRAGMA synchronous = FULL');
    // A checkpoint waits for the disk: in a storm it is rare, and trim() makes one while nothing waits.
    database.exec('PRAGMA journal_size_limit = 4194304; PRAGMA wal_autocheckpoint = 4000');
    migrate(database);
    this.#insert = database.prepare(
      `INSERT INTO entry (id, time_ms, kept_ms, mono_ms, boot, type, kind, rank, logged, story, kills, pid, tid, name, container,
        container_id, pod, unit, cgroup) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    );
    this.#body = database.prepare('INSERT INTO body (number, json) VALUES (?, ?)');
    this.#demote = database.prepare('UPDATE entry SET rank = min(rank, ?) WHERE story = ? AND type = ? AND id <> ?');
    this.#same = database.prepare(
      `SELECT number, id, type, kind, logged FROM entry WHERE tid = ? AND type IN ('oom.kill', 'oom.report') AND
        CASE WHEN boot = ? AND mono_ms IS NOT NULL THEN abs(mono_ms - ?) ELSE abs(time_ms - ?) END < ${SAME_KILL_MS}`,
    );
    this.#attach = database.prepare(
      "UPDATE entry SET kind = 'detail', rank = 0, kills = 0, story = ? WHERE number = ?",
    );
    this.#fact = database.prepare(
      'INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    );
    this.#keptMs = Number(database.prepare('SELECT max(kept_ms) AS most FROM entry').get()?.most ?? 0);
  }

  /** When oomscope last wrote to it: wall clock, boot and time since boot. undefined: never. */
  get lastAlive(): { timeMs: number; boot: string; monoMs: number } | undefined {
    const row = this.#database.prepare("SELECT value FROM fact WHERE name = 'alive'").get();
    return row && JSON.parse(String(row.value));
  }

  /**
   * Writes a batch in one transaction. An entry whose id the file already has is left out, and so is an entry from the
   * kernel's log about a kill that was traced.
   *
   * @returns how many were written. @throws an error of SQLite: then none was written
   */
  add(entries: readonly Entry[], alive: { timeMs: number; boot: string; monoMs: number }): number {
    return this.#atOnce(() => {
      this.#keptMs = Math.max(this.#keptMs, alive.timeMs);
      let written = 0;
      for (const entry of entries) written += this.#addOne(entry);
      this.#fact.run('alive', JSON.stringify(alive));
      return written;
    });
  }

  /** Runs a function in a transaction. */
  #atOnce<T>(act: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = act();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      rollBack(this.#database);
      throw error;
    }
  }

  #addOne(given: Entry): number {
    const entry = this.#joined(given);
    if (!entry) return 0;
    const { id, timeMs, monoMs, boot, type, kind, rank, logged, kills, pid, tid, name, story, replaces } = entry;
    const { changes, lastInsertRowid } = this.#insert.run(
      ...([id, timeMs, this.#keptMs, monoMs, boot, type, kind, rank, Number(logged)] as const),
      ...([story, kills, pid, tid, name, entry.container, entry.containerId, entry.pod] as const),
      ...([entry.unit, entry.cgroup] as const),
    );
    if (Number(changes) === 0) return 0;
    this.#body.run(lastInsertRowid, packed(entry.json));
    if (replaces) this.#demote.run(replaces.rank, story, replaces.type, id);
    return 1;
  }

  /**
   * Joins what the tracer and the kernel's log say about one kill: an entry of the log is left out or removed if the tracer
   * has the kill, and a report that the tracer could not match with its kill becomes a part of the kill's story.
   *
   * @returns the entry as it is to be written; undefined: the file has it already
   */
  #joined(entry: Entry): Entry | undefined {
    const { tid, boot, monoMs, timeMs, type, kind, logged, id } = entry;
    if (tid === null || (type !== 'oom.kill' && kind !== 'logged')) return entry;
    const same = this.#same.all(tid, boot, monoMs, timeMs);
    if (logged) return same.length > 0 ? undefined : entry;
    if (type === 'oom.report') {
      const kill = same.find((row) => row.type === 'oom.kill');
      return kill ? { ...entry, kind: 'detail', rank: Rank.part, kills: 0, story: String(kill.id) } : entry;
    }
    for (const row of same) {
      if (row.logged === 1) this.#remove('number = ?', Number(row.number));
      else if (row.kind === 'logged') this.#attach.run(id, Number(row.number));
    }
    return entry;
  }

  /**
   * Removes what is beyond the limits, a slice at a time, so that the caller can write between two slices.
   *
   * @param nowMs undefined: the clock cannot be trusted, and nothing is removed for its age
   * @returns what was removed; undefined: nothing had to be
   */
  trim(nowMs: number | undefined): Removal | undefined {
    this.#checkpoint();
    const limit = nowMs === undefined ? undefined : nowMs - this.#limits.maxAgeMs;
    const aged = limit === undefined ? 0 : this.#removeOldest(limit);
    if (aged > 0) return this.#note({ cause: 'age', entries: aged, beforeMs: limit as number });
    const used = this.usedBytes;
    if (used > this.#limits.maxBytes * FULL) this.#making = true;
    if (!this.#making) return undefined;
    if (used < this.#limits.maxBytes * ROOM) {
      this.#making = false;
      this.#database.exec('PRAGMA incremental_vacuum(2000)');
      return undefined;
    }
    const entries = this.#removeOldest(undefined);
    if (entries === 0) return undefined;
    const oldest = this.#database.prepare('SELECT time_ms FROM entry ORDER BY number LIMIT 1').get();
    return this.#note({ cause: 'size', entries, beforeMs: Number(oldest?.time_ms ?? nowMs ?? Date.now()) });
  }

  /** Moves what the write-ahead log has into the file. On a full disk it stays in the log, and writing tells the trouble. */
  #checkpoint(): void {
    if (this.journal !== 'wal') return;
    try {
      this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch (error) {
      if (isDamage(error)) throw error;
    }
  }

  /** The bytes of the pages in use. The file may be larger: it keeps free pages for new entries. */
  get usedBytes(): number {
    const read = (name: string) => Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name]);
    return (read('page_count') - read('freelist_count')) * (read('page_size') || PAGE);
  }

  close(): void {
    this.#database.close();
  }

  #removeOldest(beforeMs: number | undefined): number {
    const last = this.#database
      .prepare(`SELECT max(number) AS last FROM (SELECT number, kept_ms FROM entry ORDER BY number LIMIT ${SLICE})
        ${beforeMs === undefined ? '' : `WHERE kept_ms < ${Math.round(beforeMs)}`}`)
      .get()?.last;
    return last === null || last === undefined ? 0 : this.#atOnce(() => this.#remove('number <= ?', Number(last)));
  }

  #remove(where: string, value: number): number {
    this.#database.prepare(`DELETE FROM body WHERE ${where}`).run(value);
    return Number(this.#database.prepare(`DELETE FROM entry WHERE ${where}`).run(value).changes);
  }

  /** Adds up removals of one cause and one day, so that readers of the history learn of them. */
  #note(removal: Removal): Removal {
    const { cause, entries, beforeMs } = removal;
    this.#database
      .prepare(
        `INSERT INTO removal (number, time_ms, cause, entries, before_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE
          SET time_ms = excluded.time_ms, entries = entries + excluded.entries, before_ms = max(before_ms, excluded.before_ms)`,
      )
      .run(cause === 'age' ? 1 : 2, Date.now(), cause, entries, Math.round(beforeMs));
    return removal;
  }
}

/** SQLite has rolled back by itself after some errors, such as a full disk. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK');
  } catch {}
}
