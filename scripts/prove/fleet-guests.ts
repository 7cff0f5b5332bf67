/**
 * Proves that `oomscope fleet` shows the kills of real kernels: guests with different kernels, booted at once, publish to a
 * nats-server of this machine. When all nodes run, the kernel of each kills one process of the same service.
 *
 *   npm run prove:fleet-guests -- [--fresh] [--write]
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { incidentMessage } from '../../src/fleet/message.ts';
import type { FleetReport } from '../../src/fleet/report.ts';
import type { OomKill } from '../../src/model/events.ts';
import { token } from '../../src/nats/names.ts';
import { oomscope } from '../../test/cli/cli.ts';
import type { Made } from '../../test/lab/fleet-node.ts';
import { NODE } from '../../test/lab/runs.ts';
import { RealNats } from '../../test/publish/real-nats.ts';
import { table } from '../bench/report.ts';
import { bootGuest, HOST_ADDRESS, lastLines } from '../lab/guest.ts';
import { prove } from './proof.ts';

const KERNELS = ['5.10', '6.12', '7.2'];
const CLUSTER = 'lab';
const UNIT = 'shop-web.service';
/** Three emulated guests share the CPUs of this machine with its other work. */
const LIMIT_SECONDS = 1200;
/** How long the report may lack a kill that a guest has shown (ms). */
const PATIENCE_MS = 180_000;

interface GuestsResult {
  nodes: { node: string; kernel: string; byKernel: number; inFleet: number }[];
  incident: string;
  seconds: number;
}

interface Seen {
  node: string;
  made: Made;
  /** The event that the daemon wrote in the guest. */
  kill: OomKill;
}

async function guests(tell: (text: string) => void): Promise<GuestsResult> {
  const begin = performance.now();
  await using server = await RealNats.start();
  await using stack = new AsyncDisposableStack();
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  const ask = async (...words: string[]) => {
    const { code, stdout, stderr } = await oomscope(['fleet', ...words, '--server', server.url]);
    if (code !== 0) throw new Error(`oomscope fleet ${words.join(' ')}: exit code ${code}: ${stderr}`);
    return stdout;
  };
  await ask('setup', '--cluster', CLUSTER);
  const start = await together(KERNELS.length, () => tell('all nodes run'));
  stack.defer(() => start.close());
  const ports = { server: server.port, start: start.port };
  const seen = await Promise.all(KERNELS.map((kernel) => killIn(kernel, ports, stop.signal, tell)));
  const report = await reportWith(() => ask('--json'), seen.length);
  const [incident] = report.incidents;
  const wrong: string[] = [];
  const same = (what: string, got: unknown, expected: unknown) => {
    if (JSON.stringify(got) !== JSON.stringify(expected))
      wrong.push(`${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
  };
  same(
    'nodes',
    report.nodes.map(({ node }) => node).sort(),
    seen.map(({ node }) => node),
  );
  same('kills', report.kills, seen.length);
  same('counts', [report.counts.missing, report.counts.malformed, report.counts.discarded], [0, 0, 0]);
  same('incidents', report.incidents.length, 1);
  same('incident', [incident?.cause, incident?.name, incident?.kills, incident?.nodes], ['unit', UNIT, 3, 3]);
  for (const { node, made, kill } of seen) {
    const view = report.nodes.find((each) => each.node === node);
    same(`state of ${node}`, view?.state, 'up');
    same(`kernel of ${node}`, view?.kernel, made.kernel);
    same(`kills of ${node}`, [view?.kills, made.kills], [1, 1]);
    same(`victim of ${node}`, kill.victim.pid, made.pid);
    const stored = JSON.parse(await ask('show', kill.id, '--json')) as { node: string; event: OomKill };
    same(`the event of ${node}`, [stored.node, stored.event], [token(node, 'node'), kill]);
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  const nodes = seen.map(({ node, made }) => ({ node, kernel: made.kernel, byKernel: made.kills, inFleet: 1 }));
  tell(await ask('--no-color'));
  return {
    nodes,
    incident: incident ? incidentMessage(incident) : '',
    seconds: Math.round((performance.now() - begin) / 1000),
  };
}

/** A server that closes all connections when there are so many: guests have different speeds, and an incident is short. */
async function together(count: number, tell: () => void) {
  const waiting: Socket[] = [];
  const server = createServer((socket) => {
    waiting.push(socket.on('error', () => {}));
    if (waiting.length < count) return;
    tell();
    for (const each of waiting) each.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

/** Boots a guest that goes on running. @returns its kill, as the guest's daemon wrote it */
async function killIn(
  kernel: string,
  { server, start }: { server: number; start: number },
  signal: AbortSignal,
  tell: (text: string) => void,
): Promise<Seen> {
  const node = `linux-${kernel}`;
  const words = [HOST_ADDRESS, String(server), String(start), CLUSTER, node, UNIT];
  const command = [...NODE, 'test/lab/fleet-node.ts', ...words];
  const stdout = new PassThrough();
  const shape = { memoryMib: 512, cpus: 1, virtualTime: true, limitSeconds: LIMIT_SECONDS, signal };
  const network = { outgoing: [server, start] };
  const guest = bootGuest({
    kernel,
    ...shape,
    network,
    command,
    onStdout: (chunk) => stdout.write(chunk),
    onStderr: (chunk) => tell(`${node}: ${String(chunk).trimEnd()}`),
  });
  const failed = guest.then(
    (result) => Promise.reject(new Error(`${node} ended: ${lastLines(result)}\n${result.stderr}`)),
    (error) => Promise.reject(signal.aborted ? new Error('ended') : error),
  );
  failed.catch(() => {}); // the guest is ended when all is seen
  const read = async (): Promise<Seen> => {
    let kill: OomKill | undefined;
    let made: Made | undefined;
    for await (const line of createInterface({ input: stdout })) {
      const value = JSON.parse(line) as OomKill | { made: Made };
      if ('made' in value) made = value.made;
      else kill = value;
      if (!made || !kill) continue;
      tell(`${node}: Linux ${made.kernel} killed process ${made.pid}`);
      return { node, made, kill };
    }
    throw new Error(`${node} wrote no kill`);
  };
  return Promise.race([read(), failed]);
}

/** The report, when it has all kills, or when the patience is over. */
async function reportWith(ask: () => Promise<string>, kills: number): Promise<FleetReport> {
  for (const until = performance.now() + PATIENCE_MS; ; ) {
    const report = JSON.parse(await ask()) as FleetReport;
    if ((report.kills >= kills && report.nodes.length >= kills) || performance.now() > until) return report;
    await sleep(2000);
  }
}

await prove<GuestsResult>({
  name: 'fleet-guests',
  claim:
    'Kills by three kernels, in guests that run at once, are in the report of `oomscope fleet`, with the kernels’ releases and as one incident, and each event is the one that the daemon wrote in its guest.',
  parts: [{ name: 'guests', run: () => guests((text) => process.stderr.write(`fleet: ${text}\n`)) }],
  render: (finished) =>
    finished
      .flatMap(({ figures }) => figures ?? [])
      .map(({ nodes, incident, seconds }) => {
        const rows = nodes.map(({ node, kernel, byKernel, inFleet }) => [node, kernel, byKernel, inFleet].map(String));
        const head = ['node', 'kernel in the fleet’s report', 'kills by the kernel', 'kills in the fleet'];
        return `${table([head, ...rows])}\n${incident}\n${seconds} seconds, boots included.\n`;
      })
      .join(''),
});
