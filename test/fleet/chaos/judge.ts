/** Judges what the reader of the chaos test got. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A publisher, and what it has written down. */
export interface Node {
  name: string;
  spool: string;
  /** Its file with the number of its last event, and its file with the numbers that the server has acknowledged. */
  last: string;
  acknowledged: string;
  child: ChildProcess | undefined;
  isDone: boolean;
  /** The first number of the running process. */
  from: number;
  /** Numbers that were neither acknowledged nor in the spool when their process was killed. */
  atRisk: Set<number>;
}

export interface Judgement {
  generated: number;
  received: number;
  /** Ids that the reader got more than once. */
  repeated: number;
  /** Events that came after a later one of their node. */
  disordered: number;
  /** Events that were neither acknowledged nor in the spool when their publisher was killed: they may be lost. */
  atRisk: number;
  /** Those of them that did not arrive. */
  lostWithPublisher: number;
  /** Events that the reader reported as missing, by gaps in the numbers of a publisher. */
  gaps: number;
  /** Events that are missing for any other reason. */
  missing: string[];
}

/** Notes what a process may have lost that was just killed. @returns the first number of the next process */
export function seeKill(node: Node): number {
  const last = lastIn(node.last);
  const safe = spooled(node.spool);
  for (const line of readFileSync(node.acknowledged, 'utf8').split('\n')) if (line !== '') safe.add(Number(line));
  for (let number = node.from; number <= last; number++) if (!safe.has(number)) node.atRisk.add(number);
  return last + 1;
}

/** @param received the ids in the order in which the reader got them @param gaps see {@link Judgement} */
export function judge(nodes: readonly Node[], received: readonly string[], gaps: number): Judgement {
  const seen = new Set<string>();
  const lastOfNode = new Map<string, number>();
  let repeated = 0;
  let disordered = 0;
  for (const id of received) {
    if (seen.has(id)) repeated++;
    seen.add(id);
    const [node = '', number = ''] = id.split(':');
    if (Number(number) < (lastOfNode.get(node) ?? -1)) disordered++;
    lastOfNode.set(node, Number(number));
  }
  const made = nodes.flatMap(({ name, last, atRisk }) =>
    Array.from({ length: lastIn(last) + 1 }, (_, number) => ({ id: `${name}:${number}`, mayLack: atRisk.has(number) })),
  );
  const absent = made.filter(({ id }) => !seen.has(id));
  return {
    ...{ generated: made.length, received: received.length, repeated, disordered, gaps },
    atRisk: made.filter(({ mayLack }) => mayLack).length,
    lostWithPublisher: absent.filter(({ mayLack }) => mayLack).length,
    missing: absent.filter(({ mayLack }) => !mayLack).map(({ id }) => id),
  };
}

/** The number of the last event that a publisher has made. */
export const lastIn = (file: string): number => Number(readFileSync(file, 'utf8').split('\n')[0]);

/** The numbers of the events in a spool. */
function spooled(spool: string): Set<number> {
  const numbers = new Set<number>();
  if (!existsSync(spool)) return numbers;
  for (const name of readdirSync(spool)) {
    if (!/^\d{12}(\+\d+)?\.json$/.test(name)) continue;
    for (const item of readFileSync(join(spool, name), 'utf8').split('\x1e'))
      numbers.add(Number(String(JSON.parse(item.slice(0, item.indexOf('\n'))).id).split(':')[1]));
  }
  return numbers;
}
