/** The worker thread that writes the history: SQLite blocks its thread while the disk is slow. */
import { parentPort, workerData } from 'node:worker_threads';
import { collectGarbage } from '../native/garbage.ts';
import { moveAside } from './file.ts';
import type { FromWriter, ToWriter, WriterData } from './protocol.ts';
import { codeOf, isDamage, loadSqlite, reasonOf } from './sqlite.ts';
import { HistoryStore } from './store.ts';

const { path, ...limits } = workerData as WriterData;
const { DatabaseSync } = await loadSqlite();
const tell = (message: FromWriter) => parentPort?.postMessage(message);

let store: HistoryStore | undefined;
/** Garbage is collected this long after the first entries that follow a collection (ms), so that an idle thread stays asleep. */
const TIDY_MS = 20_000;
let isUntidy = false;

/** Opens the file. A damaged one is moved aside first. @returns where it was moved, or null */
function open(): string | null {
  if (store) return null;
  try {
    store = begin();
    return null;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return beginAnew();
  }
}

function begin(): HistoryStore {
  const database = new DatabaseSync(path);
  try {
    return new HistoryStore(database, limits);
  } catch (error) {
    database.close();
    throw error;
  }
}

function beginAnew(): string {
  close();
  const aside = moveAside(path);
  store = begin();
  return aside;
}

function close(): void {
  try {
    store?.close();
  } catch {}
  store = undefined;
}

/** Does something with the store, once more with a new file if the file is found to be damaged. */
function withStore<T>(act: (store: HistoryStore) => T): { result: T; movedTo: string | null } {
  const movedTo = open();
  try {
    return { result: act(store as HistoryStore), movedTo };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const aside = beginAnew();
    return { result: act(store as unknown as HistoryStore), movedTo: aside };
  }
}

function answer(message: ToWriter): FromWriter {
  switch (message.do) {
    case 'add':
      return { was: 'added', movedTo: withStore((open) => open.add(message.entries, message.alive)).movedTo };
    case 'trim':
      return { was: 'trimmed', removal: withStore((open) => open.trim(message.nowMs)).result ?? null };
    case 'close':
      close();
      return { was: 'closed' };
  }
}

function opened(): FromWriter {
  const { result, movedTo } = withStore((open) => open);
  return {
    was: 'opened',
    journal: result.journal,
    sqlite: result.sqlite,
    lastAlive: result.lastAlive ?? null,
    movedTo,
  };
}

function attempt(act: () => FromWriter): void {
  try {
    tell(act());
  } catch (error) {
    // An error without a code of SQLite is about the version of the file, which no second attempt changes.
    const forGood = codeOf(error) === undefined && (error as NodeJS.ErrnoException).code === undefined;
    tell({ was: 'failed', why: reasonOf(error), forGood });
  }
}

function tidySoon(): void {
  if (isUntidy) return;
  isUntidy = true;
  setTimeout(() => {
    isUntidy = false;
    collectGarbage({ thorough: true });
  }, TIDY_MS).unref();
}

parentPort?.on('message', (message: ToWriter) => {
  attempt(() => answer(message));
  if (message.do === 'add') tidySoon();
  if (message.do === 'close') parentPort?.close();
});
attempt(opened);
collectGarbage({ thorough: true }); // frees 3 MB, which the start of a thread leaves
