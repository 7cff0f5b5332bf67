/** Sentences about incidents and nodes. */
import { formatSpan } from '../text/format.ts';
import type { Incident } from './incidents.ts';
import type { NodeChange } from './nodes.ts';

const whats: Record<Incident['cause'], string> = {
  image: 'containers of the image',
  workload: 'pods of the workload',
  unit: 'the unit',
  program: 'the program',
  node: 'the node',
};

export function incidentMessage({
  state,
  ended,
  cause,
  name,
  kills,
  nodes,
  node_names,
  since,
  until,
}: Incident): string {
  const times = kills === 1 ? '1 OOM kill' : `${kills} OOM kills`;
  const where = nodes === 1 ? `on ${node_names[0] ?? 'one node'}` : `on ${nodes} nodes`;
  const seconds = (Date.parse(until) - Date.parse(since)) / 1000;
  const span = seconds >= 1 ? ` within ${formatSpan(seconds)}` : '';
  const what = cause === 'node' ? `of ${whats.node} ${name}` : `of ${whats[cause]} ${name} ${where}`;
  if (state === 'closed' && ended === 'usual')
    return `Usual by now: ${times} ${what}${span}. More than that is told again.`;
  if (state === 'closed') return `Over: ${times} ${what}${span}; none for 10 minutes.`;
  return `${state === 'grown' ? 'Spreading: ' : ''}${times} ${what}${span}.`;
}

export function nodeMessage({ state, cluster, name, heard, missing }: NodeChange): string {
  const node = `${name} (cluster ${cluster})`;
  switch (state) {
    case 'silent':
      return `${node} has gone silent without a goodbye; last heard at ${heard ?? 'no time'}.`;
    case 'back':
      return `${node} sends again.`;
    case 'left':
      return `${node} has stopped publishing and said goodbye.`;
    case 'twin':
      return `Two machines use the name ${node}: give one of them another name ([publish] node).`;
    case 'gap':
      return `${missing === 1 ? '1 event' : `${missing} events`} of ${node} ${missing === 1 ? 'is' : 'are'} missing: discarded by the server, dropped from a full spool, or lost with the process.`;
  }
}
