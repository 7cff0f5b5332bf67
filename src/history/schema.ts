/** The tables of the history, and the steps that bring an older file to this form. */
import type { DatabaseSync } from './sqlite.ts';

/**
 * Step n makes version n + 1 from version n. A step that has been released is never changed.
 *
 * The JSON of an event is in a table of its own, so that a search reads only the columns it compares. `kept_ms` is the
 * time by which an entry ages: the clock when it was written, but never less than that of the entry before, so that a
 * clock that was set back cannot make entries look old.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    time_ms INTEGER NOT NULL,
    kept_ms INTEGER NOT NULL,
    mono_ms INTEGER,
    boot TEXT,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    rank INTEGER NOT NULL,
    logged INTEGER NOT NULL,
    story TEXT,
    kills INTEGER NOT NULL,
    pid INTEGER, tid INTEGER, name TEXT,
    container TEXT, container_id TEXT, pod TEXT, unit TEXT, cgroup TEXT
  );
  CREATE INDEX entry_time ON entry (time_ms);
  CREATE INDEX entry_story ON entry (story) WHERE story IS NOT NULL;
  CREATE INDEX entry_tid ON entry (tid) WHERE tid IS NOT NULL;
  CREATE TABLE body (number INTEGER PRIMARY KEY, json BLOB NOT NULL);
  CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE removal (
    number INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    cause TEXT NOT NULL,
    entries INTEGER NOT NULL,
    before_ms INTEGER NOT NULL
  );`,
];

export const VERSION_NOW = migrations.length;

export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version);
}

/**
 * Brings the tables to the newest version, in one transaction for each step.
 *
 * @throws an error of SQLite
 */
export function migrate(database: DatabaseSync, steps: readonly string[] = migrations): void {
  for (let version = schemaVersion(database); version < steps.length; version++) {
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(`${steps[version]}; PRAGMA user_version = ${version + 1}; COMMIT`);
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
  }
}
