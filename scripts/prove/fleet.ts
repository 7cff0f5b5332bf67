/**
 * Proves that the fleet loses nothing: publishers in processes of their own, a real nats-server or a cluster of three, kills
 * and cuts; every event is at the reader exactly once and in the order of its node.
 *
 *   npm run prove:fleet -- [--fresh] [--part PART]... [--write]
 */
import { isDeepStrictEqual } from 'node:util';
import { type ChaosOptions, type ChaosResult, chaos } from '../../test/fleet/chaos/chaos.ts';
import { table } from '../bench/report.ts';
import { prove } from './proof.ts';

/** On a busy machine, a publisher that was killed needs long until it runs again and sends what is in its spool. */
const waitMs = 60_000;
const breaks = { serverKills: 5, cuts: 2, publisherKills: 10, readerKills: 5 };
const parts: Record<string, ChaosOptions> = {
  'three servers, 1,000,000 events of 100 publishers': {
    ...{ publishers: 100, events: 10_000, perSecond: 15, servers: 3, limitMs: 2 * 60 * 60_000, waitMs },
    ...breaks,
  },
  'one server, 200,000 events of 10 publishers': {
    ...{ publishers: 10, events: 20_000, perSecond: 200, limitMs: 60 * 60_000, waitMs },
    ...breaks,
  },
};

async function run(options: ChaosOptions): Promise<ChaosResult> {
  const result = await chaos(options, (text) => process.stderr.write(`fleet: ${text}\n`));
  const { generated, received, repeated, disordered, lostWithPublisher, missing, broken } = result;
  const whole = options.publishers * options.events;
  const wrong = [
    ...(generated !== whole ? [`${generated} events were made, expected ${whole}`] : []),
    ...(isDeepStrictEqual(broken, breaks) ? [] : [`expected ${JSON.stringify(breaks)}, got ${JSON.stringify(broken)}`]),
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
    'Every event of every publisher is at the reader exactly once and in the order of its node, although servers are killed and restarted five times, the network of half of the publishers is cut twice, ten publishers and five readers are killed with SIGKILL. Only events may be missing that were neither acknowledged nor in the spool when their publisher was killed. The reader waits up to 60 seconds for an event that its process still sends. Each publisher is a process of its own; it writes down the number of each event before it publishes the event, and the number of each acknowledged event. The events are those of the recordings, in turn.',
  parts: Object.entries(parts).map(([name, options]) => ({ name, run: () => run(options) })),
  render: (finished) =>
    table([
      ['', 'events', 'at the reader', 'twice', 'out of order', 'at risk', 'lost', 'seen as gaps', 'missing', 'seconds'],
      ...finished.map(({ name, figures }) => [
        name,
        ...(figures
          ? [
              ...[figures.generated, figures.received, figures.repeated, figures.disordered, figures.atRisk],
              ...[figures.lostWithPublisher, figures.gaps, figures.missing.length, figures.seconds],
            ].map(String)
          : Array(9).fill('-')),
      ]),
    ]),
});
