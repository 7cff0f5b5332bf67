/** The memory of a node that publishes, of one that does not, and of a reader of the fleet, each a process of its own. */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setUp } from '../../src/fleet/setup.ts';
import { connect } from '../../src/nats/connect.ts';
import { RealNats } from '../../test/publish/real-nats.ts';
import { Child } from './child.ts';
import { type Footprint, footprint } from './process-figures.ts';
import { killOne, makeGroup } from './victim.ts';

const COMMAND = resolve(import.meta.dirname, '../oomscope.sh');
const KILLS = 20;
const START_MS = 60_000;
/** V8 collects garbage once, some seconds after the last work. */
const SETTLE_MS = 10_000;

/** After twenty kills on this machine, which the nodes report and the reader gets. */
export async function memories(): Promise<(Footprint & { name: string })[]> {
  await using server = await RealNats.start();
  const connection = await connect({ servers: [server.url] }, 'bench');
  await setUp(connection, {});
  await connection.close();
  const start = (...words: string[]) => ({
    name: words.slice(0, 3).join(' '),
    child: new Child([COMMAND, ...words]),
  });
  const tracer = start('trace', '--json');
  const node = start('trace', '--json', '--publish', `${server.url} node=bench`);
  const reader = start('fleet', '--watch', '--json', '--server', server.url);
  const children = [tracer, node, reader];
  const group = makeGroup();
  try {
    await Promise.all([tracer.child.line('{', START_MS), node.child.line('{', START_MS)]);
    for (let i = 0; i < KILLS; i++) await killOne(group);
    // The kills are an incident.
    await reader.child.line('{', START_MS);
    await sleep(SETTLE_MS);
    return children.map(({ name, child }) => ({ name, ...footprint(child.pid) }));
  } finally {
    group.remove();
    for (const { child } of children) await child.end();
  }
}
