/** Warns about other early killers on this machine; used by the verbs that kill processes themselves. */
import { readIfPresent } from '../linux/read-if-present.ts';
import { killersAtWork } from './killers.ts';
import { listProcesses } from './processes.ts';

/** @returns a text for each other early killer */
export function otherKillers(): string[] {
  return killersAtWork(listProcesses(), readIfPresent)
    .filter(({ severity }) => severity === 'warning')
    .map(({ name, found, reason, remedy }) =>
      [`${name} runs on this machine as well: ${found}.`, reason, remedy].filter(Boolean).join(' '),
    );
}
