import { readIfPresent } from '../linux/capabilities.ts';
import { killersAtWork } from './killers.ts';
import { listProcesses } from './processes.ts';

/** One sentence for each other early killer that runs here. */
export function otherKillers(): string[] {
  return killersAtWork(listProcesses(), readIfPresent)
    .filter(({ severity }) => severity === 'warning')
    .map(({ name, found, reason, remedy }) =>
      [`${name} runs here, too: ${found}.`, reason, remedy].filter(Boolean).join(' '),
    );
}
