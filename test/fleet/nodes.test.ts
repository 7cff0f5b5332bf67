import { expect, test } from 'vitest';
import { type NodeChange, Nodes, nodeStateIn } from '../../src/fleet/nodes.ts';
import { token } from '../../src/nats/names.ts';
import type { NodeState } from '../../src/publish/node-state.ts';
import { fleetEvent, killAt } from './fleet-events.ts';

function watched() {
  const told: NodeChange[] = [];
  return { told, nodes: new Nodes((change) => told.push(change)) };
}
const stateOf = (changes: Partial<NodeState> = {}): NodeState => ({
  ...{ schema: 'oomscope/node/v1', node: 'n1', cluster: 'prod', machine: 'm-n1', boot_id: null, version: '0.1.0' },
  ...{ kernel: '6.18', capabilities: [], run: 'r', every_seconds: 30, time: '', last_event: null, last_kill: null },
  ...{ kills: 0, guard_kills: 0, lost: {}, pressure: null, published: 0, folded: 0, dropped: 0, waiting: 0 },
  goodbye: false,
  ...changes,
});

test('a state that another program wrote into the bucket is no state', () => {
  const written = (changes: object) => nodeStateIn(Buffer.from(JSON.stringify({ ...stateOf(), ...changes })));
  expect(written({})).toEqual(stateOf());
  for (const changes of [
    ...[{ lost: null }, { lost: { ring: 'many' } }, { version: 7 }, { kernel: null }, { dropped: null }],
    ...[
      { waiting: '\x1b[2J' },
      { pressure: { some: '<img src=x>', full: 0 } },
      { every_seconds: '30' },
      { machine: {} },
    ],
  ])
    expect(written(changes), JSON.stringify(changes)).toBeUndefined();
});

test('a node that gives itself the name of another is shown under the token of its subjects', () => {
  const { nodes } = watched();
  nodes.takeState(stateOf({ node: 'db-1' }), 'n1', 1000);
  nodes.takeState(stateOf({ node: 'n2.example', machine: 'm2' }), token('n2.example', 'node'), 1000);
  expect(nodes.all.map(({ node }) => node)).toEqual(['n1', 'n2.example']);
});

test('a node is silent after three intervals, by the clock of the server, and back when it sends', () => {
  const { nodes, told } = watched();
  nodes.takeState(stateOf(), 'n1', 1000);
  nodes.tick(91_000);
  expect(told).toEqual([]);
  nodes.tick(91_001);
  nodes.tick(200_000);
  expect(told).toMatchObject([{ state: 'silent', name: 'n1', heard: '1970-01-01T00:00:01.000Z' }]);
  nodes.takeEvent(fleetEvent(killAt('k'), { atMs: 210_000 }));
  expect(told.map(({ state }) => state)).toEqual(['silent', 'back']);
});

test('a node that said goodbye is not silent', () => {
  const { nodes, told } = watched();
  nodes.takeState(stateOf(), 'n1', 1000);
  nodes.takeState(stateOf({ goodbye: true }), 'n1', 2000);
  nodes.tick(1e9);
  expect(told.map(({ state }) => state)).toEqual(['left']);
  nodes.takeState(stateOf(), 'n1', 1e9);
  expect(nodes.all).toMatchObject([{ state: 'up' }]);
});

test('two machines of one name are two nodes, and are told once', () => {
  const { nodes, told } = watched();
  nodes.takeState(stateOf({ machine: 'm1' }), 'n1', 1000);
  nodes.takeState(stateOf({ machine: 'm2' }), 'n1', 2000);
  nodes.takeState(stateOf({ machine: 'm1' }), 'n1', 3000);
  expect(told).toMatchObject([{ state: 'twin', name: 'n1' }]);
  expect(nodes.all).toMatchObject([{ has_twin: true }, { has_twin: true }]);
});

test('a machine that was installed anew hours later is no twin', () => {
  const { nodes, told } = watched();
  nodes.takeState(stateOf({ machine: 'm1' }), 'n1', 1000);
  nodes.tick(3_000_000);
  nodes.takeState(stateOf({ machine: 'm2' }), 'n1', 3_600_000);
  expect(told.map(({ state }) => state)).toEqual(['silent']);
});

test('a node has its kills, its skew and its gaps', () => {
  const { nodes, told } = watched();
  const event = { ...fleetEvent(killAt('k'), { atMs: 5000 }), skewMs: -3200 };
  nodes.takeEvent(event);
  nodes.takeGap(event, 7);
  expect(nodes.all).toMatchObject([{ kills: 1, skew_ms: -3200, missing: 7, last_kill: { at_ms: 5000 } }]);
  expect(told).toMatchObject([{ state: 'gap', missing: 7 }]);
});
