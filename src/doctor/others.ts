/** Other early killers on this machine, for the verbs that kill as well. */
import { readIfPresent } from '../linux/read-if-present.ts';
import { killersAtWork } from './killers.ts';
import { listProcesses } from './processes.ts';

/** One sentence for each. */
export function otherKillers(): string[] {
  return killersAtWork(listProcesses(), readIfPresent)
    .filter(({ severity }) => severity === 'warning')
    .map(({ name, found, reason, remedy }) =>
      [`${name} runs on this machine as well: ${found}.`, reason, remedy].filter(Boolean).join(' '),
    );
}
