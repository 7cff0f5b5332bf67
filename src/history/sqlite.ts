/** Loads SQLite, which is part of Node, and opens databases with the settings of the history. */
import type { DatabaseSync } from 'node:sqlite';

export type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * Imports node:sqlite without its warning: Node 22 and 24 warn that the module is experimental, which tells a user of
 * oomscope nothing.
 */
export async function loadSqlite(): Promise<typeof import('node:sqlite')> {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return await import('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}

/**
 * Whether a write-ahead log is safe with this version of SQLite. Versions before 3.51.3 can corrupt a database when two
 * connections reset the log at the same moment; the correction is also in 3.50.7 and 3.44.6.
 */
export function isWalSafe(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 3) return major > 3;
  if (minor === 44) return patch >= 6;
  if (minor === 50) return patch >= 7;
  return minor > 51 || (minor === 51 && patch >= 3);
}

/** The version of SQLite in this Node. */
export function versionOf(database: DatabaseSync): string {
  return String(database.prepare('SELECT sqlite_version() AS version').get()?.version);
}

/** Result codes of SQLite, without their extension (sqlite3.h). */
export const Sqlite = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  notDatabase: 26,
};

/** The result code of an error of SQLite. undefined: another error. */
export function codeOf(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

export const isDamage = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === Sqlite.corrupt || code === Sqlite.notDatabase;
};

/** Why SQLite failed, as the end of a sentence. */
export function reasonOf(error: unknown): string {
  const reasons: Record<number, string> = {
    [Sqlite.busy]: 'another process has locked it',
    [Sqlite.locked]: 'another process has locked it',
    [Sqlite.readOnly]: 'it may not be written',
    [Sqlite.ioError]: 'the disk reports an error, or is full',
    [Sqlite.corrupt]: 'it is damaged',
    [Sqlite.full]: 'the disk is full',
    [Sqlite.cantOpen]: 'it cannot be opened',
    [Sqlite.notDatabase]: 'it is not a database',
  };
  return reasons[codeOf(error) ?? -1] ?? (error as Error).message;
}
