/** The worker thread that reads the history for the page, so that no query delays an event. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Filter } from './filter.ts';
import { type Bucket, History, type Row } from './query.ts';

export type Question =
  | { ask: 'list'; filter: Filter; limit: number }
  | { ask: 'story'; reference: string }
  | { ask: 'stats'; by: Bucket; filter: Filter; limit: number }
  | { ask: 'after'; id: string; limit: number }
  | { ask: 'newest' };

export interface Asked {
  number: number;
  question: Question;
}

export interface Answer {
  number: number;
  /** JSON. undefined: the question could not be answered. */
  json?: string;
  /** Why not: a sentence, and the code of the error. */
  problem?: { message: string; code: string };
}

const { path } = workerData as { path: string };
let history: History | undefined;

async function answer(question: Question): Promise<unknown> {
  history ??= await History.open(path);
  switch (question.ask) {
    case 'list': {
      const rows = history.list(question.filter, question.limit + 1);
      return { more: rows.length > question.limit, rows: rows.slice(0, question.limit).map(short) };
    }
    case 'story':
      return history.story(question.reference);
    case 'stats':
      return { sums: history.stats(question.by, question.filter, question.limit), extent: history.extent() };
    case 'after':
      return history.after(question.id, question.limit)?.map(short) ?? null;
    case 'newest':
      return history.newestId();
  }
}

/** A row without its event, but with its sentence. */
const short = ({ event, ...row }: Row) => ({ ...row, message: event.message, node: event.node });

/** One question after another, so that answers come in the order of the questions. */
let last = Promise.resolve();

parentPort?.on('message', ({ number, question }: Asked) => {
  last = last.then(async () => {
    try {
      parentPort?.postMessage({ number, json: JSON.stringify(await answer(question)) } satisfies Answer);
    } catch (error) {
      // The file may have been moved aside: the next question opens it again.
      history?.[Symbol.dispose]();
      history = undefined;
      const { message, code = 'ERROR' } = error as Error & { code?: string };
      parentPort?.postMessage({ number, problem: { message, code } } satisfies Answer);
    }
  });
});
