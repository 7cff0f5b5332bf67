import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../events/backoff.ts';
import { reasonOf } from './connect.ts';

const FIRST_PAUSE_MS = 250;
const MOST_PAUSE_MS = 2_000;

/**
 * Asks a server again that does not answer in time, because it is busy or its cluster chooses a leader.
 *
 * @param onTrouble called with a sentence for each time without an answer
 * @param isOver true: the caller does not need the answer any more
 * @throws what `ask` throws, except for a timeout before the end
 */
export async function untilAnswered<T>(
  ask: () => Promise<T>,
  onTrouble: (reason: string) => void,
  isOver: () => boolean,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await ask();
    } catch (error) {
      if ((error as Error).name !== 'TimeoutError' || isOver()) throw error;
      onTrouble(reasonOf(error));
      await sleep(backoffMs(failures, FIRST_PAUSE_MS, MOST_PAUSE_MS));
    }
  }
}
