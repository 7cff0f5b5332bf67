/**
 * Counts the requests that the agents of a large cluster send to the API server, with the real budget of Events and a clock
 * that is simulated: 5,000 nodes and 150,000 pods, the limits of Kubernetes. Nothing is sent. What a write costs on a real
 * server is in test/kubernetes/server.test.ts.
 *
 *   npm run bench:kubernetes-fleet -- [--nodes N] [--out FILE]
 */
import { parseArgs } from 'node:util';
import { EventBudget, type Write } from '../../src/kubernetes/event-budget.ts';
import { eventsOfKill, type ObjectEvent } from '../../src/kubernetes/object-event.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { podKill } from '../../test/kubernetes/kills.ts';
import { seeded } from '../../test/seeded.ts';
import { circumstances, inWords, say, table, writeJson } from './report.ts';

const { values } = parseArgs({ options: { nodes: { type: 'string', default: '5000' }, out: { type: 'string' } } });
const NODES = Number(values.nodes);
const PODS = 30;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Kill {
  /** Since the begin of the storm (ms). */
  at: number;
  pod: number;
}

interface Scenario {
  name: string;
  /** The kills of a node, in the order of their time. */
  kills: (node: number, random: () => number) => Kill[];
}

const every = (ms: number, untilMs: number, phase: number, pod: (i: number) => number): Kill[] =>
  Array.from({ length: Math.floor((untilMs - phase) / ms) }, (_, i) => ({ at: phase + i * ms, pod: pod(i) }));

const scenarios: Scenario[] = [
  {
    name: 'one pod of each node is killed each 10 s, for 3 h',
    kills: (_, random) => every(10_000, 3 * HOUR, random() * 10_000, () => 0),
  },
  {
    name: '10 kills/s on 5 % of the nodes, in 20 pods each, for 10 min',
    kills: (node, random) => (node % 20 === 0 ? every(100, 10 * MINUTE, random() * 100, (i) => i % 20) : []),
  },
  {
    name: 'each pod of the cluster is killed once, within a minute',
    kills: (_, random) =>
      Array.from({ length: PODS }, (_, pod) => ({ at: random() * MINUTE, pod })).sort((a, b) => a.at - b.at),
  },
];

interface Outcome {
  name: string;
  kills: number;
  requests: number;
  /** Kills of which the server knows in the end. */
  known: number;
  /** Requests a second: in the worst second, on average in the first ten minutes, and in the last hour of three. */
  peak: number;
  firstMinutes: number;
  lastHour: number;
}

const base = eventsOfKill(
  podKill({ id: 'fleet' }),
  { namespace: 'shop', pod: 'web', uid: 'u', container: 'app', container_kind: 'main' } as KubernetesFacts,
  'n1',
)[0] as ObjectEvent;
const eventOf = (node: number, pod: number, i: number): ObjectEvent => ({
  ...base,
  metadata: { ...base.metadata, name: `web.${node}.${pod}.${i}` },
  regarding: { ...base.regarding, uid: `${node}-${pod}` },
});

/** Plays one node until nothing waits. @param onWrite called with each request */
function play(node: number, kills: readonly Kill[], onWrite: (write: Write, at: number) => void): void {
  const budget = new EventBudget();
  const settle = (from: number, until: number) => {
    for (let now = budget.nextMs(from); now !== undefined && now <= until; now = budget.nextMs(now))
      for (const write of budget.due(now)) onWrite(write, now);
  };
  let now = 0;
  for (const [i, { at, pod }] of kills.entries()) {
    settle(now, at);
    now = at;
    const write = budget.take(eventOf(node, pod, i), at);
    if (write) onWrite(write, at);
  }
  settle(now, Number.POSITIVE_INFINITY);
}

function run({ name, kills }: Scenario): Outcome {
  const random = seeded(18);
  const perSecond: number[] = [];
  const outcome = { name, kills: 0, requests: 0, known: 0 };
  for (let node = 0; node < NODES; node++) {
    const ofNode = kills(node, random);
    outcome.kills += ofNode.length;
    play(node, ofNode, ({ kills: told }, at) => {
      outcome.requests++;
      outcome.known += told;
      const second = Math.floor(at / 1000);
      perSecond[second] = (perSecond[second] ?? 0) + 1;
    });
  }
  const between = (from: number, until: number) => {
    let sum = 0;
    for (let second = from; second < until; second++) sum += perSecond[second] ?? 0;
    return sum / (until - from);
  };
  const peak = perSecond.reduce((most, count) => Math.max(most, count ?? 0), 0);
  return { ...outcome, peak, firstMinutes: between(0, 600), lastHour: between(7200, 10_800) };
}

const about = circumstances();
const outcomes = scenarios.map(run);
const rounded = (value: number) => value.toFixed(value < 100 ? 1 : 0);
say(`${NODES} nodes with ${PODS} pods each, simulated. ${inWords(about)}\n`);
say(
  table([
    ['storm', 'kills', 'requests', 'known in the end', 'peak, 1/s', 'first 10 min, 1/s', 'third hour, 1/s'],
    ...outcomes.map((one) => [
      ...[one.name, String(one.kills), String(one.requests), String(one.known), rounded(one.peak)],
      ...[rounded(one.firstMinutes), rounded(one.lastHour)],
    ]),
  ]),
);
writeJson(values.out, { about, outcomes });
