import { printable } from '../text/printable.ts';

/** Requests at once. */
const PARALLEL = 8;

/**
 * Asks something of each node, of a few at a time.
 *
 * @param ask gives the containers of the node, or a sentence that says why there are none
 * @returns all containers, and a sentence for each node without an answer
 */
export async function fromNodes<Of extends { node: string }, Container>(
  all: readonly Of[],
  ask: (one: Of) => Promise<Container[] | string>,
): Promise<{ containers: Container[]; problems: string[] }> {
  const containers: Container[] = [];
  const problems: string[] = [];
  const queue = [...all];
  const worker = async () => {
    for (let one = queue.shift(); one; one = queue.shift()) {
      const answer = await ask(one);
      if (typeof answer === 'string') problems.push(`Node ${printable(one.node)}: ${answer}`);
      else containers.push(...answer);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return { containers, problems: problems.sort() };
}
