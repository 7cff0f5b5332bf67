/**
 * Simulates fleets of up to 100,000 nodes for three hours, in which a reader learns what is usual, and ten minutes more: how
 * many messages the nodes send after the control of storms, what a reader of all of them costs, and which incidents it tells.
 * Nodes and time are simulated; the control of storms, the order, the nodes, the sums and the incidents are the real code.
 *
 *   npm run bench:fleet-simulation -- [--nodes N]... [--kind calm|rollout|storm]... [--out FILE]
 */
import { parseArgs } from 'node:util';
import type { FleetEvent } from '../../src/fleet/fleet-event.ts';
import { type Incident, Incidents } from '../../src/fleet/incidents.ts';
import { Nodes } from '../../src/fleet/nodes.ts';
import { Order } from '../../src/fleet/order.ts';
import { Totals } from '../../src/fleet/totals.ts';
import type { OomKill } from '../../src/model/events.ts';
import { Storm } from '../../src/publish/storm.ts';
import { fleetEvent, killAt } from '../../test/fleet/fleet-events.ts';
import { seeded } from '../../test/seeded.ts';
import { circumstances, inWords, table, writeJson } from './report.ts';

const kinds = ['calm', 'rollout', 'storm'] as const;
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', multiple: true, default: ['10000', '100000'] },
    kind: { type: 'string', multiple: true, default: [...kinds] },
    out: { type: 'string' },
  },
});
const MINUTE = 60_000;
const LEARN_MS = 180 * MINUTE;
const LENGTH_MS = 190 * MINUTE;
/** The rollout and the storm begin. */
const BEGIN_MS = 182 * MINUTE;
const IMAGES = 200;
const BAD_SHARE = 0.05;
const STORM_SECONDS = 20;
const SIZE = Buffer.byteLength(JSON.stringify(killAt('x')));

interface Result {
  nodes: number;
  kind: (typeof kinds)[number];
  /** Messages a second after the beginning of the rollout or storm, and in the busiest second. */
  perSecond: number;
  busiest: number;
  /** Folded kills. */
  folded: number;
  /** Microseconds of CPU a message at the reader. */
  microseconds: number;
  memoryMib: number;
  /** Incidents that were told after the three hours of learning. */
  told: number;
  /** Incidents of usual kills that are still open at the end. */
  open: number;
  /** Seconds from the first kill of the rollout until its incident, and its nodes then. */
  foundAfter: string;
}

/** Kills in the order of their times. */
function* killsOf(nodes: number, kind: Result['kind']): Generator<{ atMs: number; node: number; image: string }> {
  const random = seeded(nodes);
  const usualMs = 3_600_000 / nodes;
  const bad = Math.round(nodes * BAD_SHARE);
  let usualAt = 0;
  let badAt = kind === 'calm' ? Number.POSITIVE_INFINITY : BEGIN_MS;
  for (;;) {
    const atMs = Math.min(usualAt, badAt);
    const isEnd = kind === 'storm' ? atMs > BEGIN_MS + STORM_SECONDS * 1000 : atMs > LENGTH_MS;
    if (isEnd) return;
    if (usualAt <= badAt) {
      const node = Math.floor(random() * nodes);
      yield { atMs, node, image: `app-${Math.floor(random() * IMAGES)}` };
      usualAt += -Math.log(1 - random()) * usualMs;
      continue;
    }
    // The rollout reaches its nodes within five minutes, and kills once a minute on each; a storm kills ten times a second.
    const reached = kind === 'storm' ? bad : Math.ceil(bad * Math.min(1, (atMs - BEGIN_MS + 1000) / (5 * MINUTE)));
    yield { atMs, node: Math.floor(random() * reached), image: 'leaky:2' };
    badAt += (-Math.log(1 - random()) * (kind === 'storm' ? 100 : MINUTE)) / reached;
  }
}

function simulate(nodes: number, kind: Result['kind']): Result {
  const storms = new Map<number, Storm>();
  const numbers = new Map<number, number>();
  const kills = new Map<string, OomKill>();
  const told: (Incident & { atMs: number })[] = [];
  let nowMs = 0;
  const incidents = new Incidents((incident) => told.push({ ...incident, atMs: nowMs }));
  const views = new Nodes(() => {});
  const totals = new Totals();
  const order = new Order(1000, {
    emit: (event) => {
      views.takeEvent(event);
      totals.take(event);
      incidents.take(event);
    },
    onGap: () => {},
  });
  let [messages, folded, id, tickMs, spentMs] = [0, 0, 0, 0, 0];
  const seconds = new Map<number, number>();
  const before = process.memoryUsage().rss;
  let batch: FleetEvent[] = [];
  const read = () => {
    const began = process.cpuUsage();
    for (const event of batch) order.take(event, nowMs);
    for (; tickMs <= nowMs; tickMs += 10_000) incidents.tick(tickMs);
    const { user, system } = process.cpuUsage(began);
    spentMs += (user + system) / 1000;
    batch = [];
  };
  for (const { atMs, node, image } of killsOf(nodes, kind)) {
    nowMs = atMs;
    const storm = storms.get(node) ?? new Storm({ perSecond: 50, burst: 500 }, atMs);
    storms.set(node, storm);
    const kill = kills.get(image) ?? killAt('x', { image });
    kills.set(image, kill);
    const event = { ...kill, id: `s-${id++}` };
    if (!storm.take(event, atMs)) {
      folded++;
      continue;
    }
    const number = numbers.get(node) ?? 0;
    numbers.set(node, number + 1);
    batch.push(fleetEvent(event, { node: `n${node}`, atMs, number }));
    if (batch.length >= 500) read();
    if (atMs < BEGIN_MS) continue;
    messages++;
    const second = Math.floor(atMs / 1000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }
  read();
  const opened = told.filter(({ state, atMs }) => state === 'opened' && atMs >= LEARN_MS);
  const found = opened.find(({ name }) => name === 'leaky:2');
  return {
    ...{ nodes, kind, perSecond: (messages * 1000) / (nowMs - BEGIN_MS), busiest: Math.max(...seconds.values()) },
    ...{ folded, microseconds: (spentMs * 1000) / id, memoryMib: (process.memoryUsage().rss - before) / 2 ** 20 },
    told: opened.length,
    open: incidents.open.filter(({ name }) => name !== 'leaky:2').length,
    foundAfter: found ? `${((found.atMs - BEGIN_MS) / 1000).toFixed(1)} s, ${found.nodes} nodes` : '-',
  };
}

const results = values.nodes.flatMap((nodes) =>
  kinds.filter((kind) => values.kind.includes(kind)).map((kind) => simulate(Number(nodes), kind)),
);
const whole = (value: number) => String(Math.round(value));
process.stdout.write(
  `${inWords(circumstances())}\n\n${table([
    [
      ...['nodes', 'fleet', 'messages/s', 'busiest second', 'folded', 'GB a day at this rate', 'reader, µs a message'],
      ...['reader of all, MiB', 'incidents told', 'of usual kills, open', 'the bad image after'],
    ],
    ...results.map((one) => [
      ...[whole(one.nodes), one.kind, one.perSecond.toFixed(1), whole(one.busiest), whole(one.folded)],
      ...[((one.perSecond * 86_400 * SIZE) / 1e9).toFixed(1), one.microseconds.toFixed(1), whole(one.memoryMib)],
      ...[whole(one.told), whole(one.open), one.foundAfter],
    ]),
  ])}`,
);
writeJson(values.out, { results });
