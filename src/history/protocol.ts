/** The messages between the recorder, in the main thread, and the worker that writes. */
import type { Entry } from './entry.ts';
import type { Removal, StoreLimits } from './store.ts';

/** What a worker is given at its start. */
export interface WriterData extends StoreLimits {
  path: string;
}

export interface Alive {
  timeMs: number;
  boot: string;
  monoMs: number;
}

export type ToWriter =
  | { do: 'add'; entries: Entry[]; alive: Alive }
  | { do: 'trim'; nowMs: number | undefined }
  | { do: 'close' };

export type FromWriter =
  /** The file is open. `lastAlive`: when oomscope wrote to it last. */
  | { was: 'opened'; journal: 'wal' | 'truncate'; sqlite: string; lastAlive: Alive | null; movedTo: string | null }
  | { was: 'added'; movedTo: string | null }
  | { was: 'trimmed'; removal: Removal | null }
  /** What was asked for failed, and nothing of it was done. `why` is the end of a sentence. */
  | { was: 'failed'; why: string; forGood: boolean }
  | { was: 'closed' };
