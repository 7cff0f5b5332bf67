/**
 * Proves that the fleet loses nothing: publishers in processes of their own, a real nats-server or a cluster of three, kills
 * and cuts; every event is at the reader exactly once and in the order of its node.
 *
 *   npm run prove:fleet -- [--fresh] [--part PART]... [--write]
 */
import { type ChaosOptions, type ChaosResult, chaos } from '../../test/fleet/chaos/chaos.ts';
import { table } from '../bench/report.ts';
import { prove } from './proof.ts';

const breaks = { serverKills: 5, cuts: 2, publisherKills: 10, readerKills: 5 };
const parts: Record<string, ChaosOptions> = {
  'one server, 1,000,000 events of 10 publishers': {
    ...{ publishers: 10, events: 100_000, perSecond: 200, limitMs: 60 * 60_000 },
    ...breaks,
  },
  'three servers, 50,000 events of 10 publishers': {
    ...{ publishers: 10, events: 5_000, perSecond: 40, servers: 3, limitMs: 20 * 60_000 },
    ...breaks,
  },
  'one server, 200,000 events of 100 publishers': {
    ...{ publishers: 100, events: 2_000, perSecond: 10, limitMs: 40 * 60_000 },
    ...breaks,
  },
};

async function run(options: ChaosOptions): Promise<ChaosResult> {
  const result = await chaos(options, (text) => process.stderr.write(`fleet: ${text}\n`));
  const { generated, received, repeated, disordered, lostWithPublisher, missing } = result;
  const wrong = [
    ...(repeated > 0 ? [`${repeated} events came twice`] : []),
    ...(disordered > 0 ? [`${disordered} events came after a later one of their node`] : []),
    ...(missing.length > 0 ? [`${missing.length} events are missing, such as ${missing.slice(0, 5).join(', ')}`] : []),
    ...(received !== generated - lostWithPublisher - missing.length ? ['the sums do not agree'] : []),
  ];
  if (wrong.length > 0)
    throw new Error(`${wrong.join('; ')}: ${JSON.stringify({ ...result, missing: missing.length })}`);
  return result;
}

await prove<ChaosResult>({
  name: 'fleet',
  claim:
    'Every event of every publisher is at the reader exactly once and in the order of its node, although servers are killed and restarted five times, the network of half of the publishers is cut twice, ten publishers and five readers are killed with SIGKILL. Only events that a killed publisher had neither sent nor written to its spool are missing.',
  parts: Object.entries(parts).map(([name, options]) => ({ name, run: () => run(options) })),
  render: (finished) =>
    table([
      ['', 'events', 'at the reader', 'twice', 'out of order', 'lost with a killed publisher', 'missing', 'seconds'],
      ...finished.map(({ name, figures }) => [
        name,
        ...(figures
          ? [
              ...[figures.generated, figures.received, figures.repeated, figures.disordered],
              ...[figures.lostWithPublisher, figures.missing.length, figures.seconds],
            ].map(String)
          : ['-', '-', '-', '-', '-', '-', '-']),
      ]),
    ]),
});
