import { expect, test } from 'vitest';
import { type Incident, Incidents, QUIET_MS } from '../../src/fleet/incidents.ts';
import type { PublishFolded } from '../../src/model/fleet.ts';
import { fleetEvent, killAt, type Where } from './fleet-events.ts';

const MINUTE = 60_000;

function finder() {
  const told: Incident[] = [];
  const incidents = new Incidents((incident) => told.push(incident));
  let made = 0;
  const kill = (node: string, atMs: number, where: Where = {}) =>
    incidents.take(fleetEvent(killAt(`k${made++}`, where), { node, atMs }));
  return { incidents, told, kill };
}

test('one image that is killed on forty nodes within five minutes is one incident', () => {
  const { told, kill, incidents } = finder();
  for (let i = 0; i < 40; i++) kill(`n${i}`, i * 7000, { image: 'shop/web:v2', comm: `worker-${i}` });
  expect(told.map(({ state }) => state)).toEqual(['opened', 'grown', 'grown', 'grown']);
  expect(new Set(told.map(({ incident_id }) => incident_id)).size).toBe(1);
  expect(incidents.open).toMatchObject([{ cause: 'image', name: 'shop/web:v2', nodes: 40, kills: 40 }]);
});

test('a single kill is no incident', () => {
  const { told, kill } = finder();
  kill('n1', 0, { image: 'a' });
  kill('n2', 0, { image: 'b' });
  kill('n1', 20 * MINUTE, { image: 'a' });
  expect(told).toEqual([]);
});

test('kills of which some have an image and some only a pod of the same workload are one incident', () => {
  const { incidents, kill } = finder();
  kill('n1', 0, { image: 'shop/web:v2', pod: 'web-5d4f8c7b9-aaaaa' });
  kill('n2', 1000, { pod: 'web-5d4f8c7b9-bbbbb' });
  kill('n3', 2000, { pod: 'web-5d4f8c7b9-ccccc' });
  expect(incidents.open).toMatchObject([{ cause: 'image', nodes: 3 }]);
});

test('what is usual for an image opens no incident, and a rise above it does', () => {
  const { told, kill, incidents } = finder();
  let at = 0;
  for (; at < 5 * 60 * MINUTE; at += 2 * MINUTE) kill(`n${(at / MINUTE) % 50}`, at, { image: 'busy' });
  incidents.tick(at);
  const usual = told.filter(({ state }) => state === 'opened').length;
  expect(usual).toBeLessThanOrEqual(1);
  incidents.tick(at + QUIET_MS + 1);
  told.length = 0;
  for (; at < 6 * 60 * MINUTE; at += 2 * MINUTE) kill(`n${(at / MINUTE) % 50}`, at, { image: 'other' });
  const before = told.length;
  for (let i = 0; i < 60; i++) kill(`n${i}`, at + i * 1000, { image: 'busy' });
  expect(told.slice(before).some(({ state, name }) => state === 'opened' && name === 'busy')).toBe(true);
});

test('kills of a node that is out of memory as a whole are an incident of the node, whatever the victims', () => {
  const { incidents, kill } = finder();
  for (let i = 0; i < 5; i++) kill('n1', i * 1000, { scope: 'system', comm: `victim-${i}`, image: `image-${i}` });
  expect(incidents.open).toMatchObject([{ cause: 'node', name: 'n1', kills: 5 }]);
});

test('folded kills count with their number', () => {
  const { incidents } = finder();
  const { schema, seq, time, mono_ns, boot_id, node, severity, source } = killAt('x');
  const folded: PublishFolded = {
    ...{ schema, id: 'f', seq, time, mono_ns, boot_id, node, severity, source, message: '' },
    ...{ type: 'publish.folded', event_type: 'oom.kill', count: 99, folded_severity: 'critical', first_id: 'x' },
    ...{ since: time, until: time },
    about: {
      ...{ cgroup: '/c', limit_bytes: null, comm: 'hog', unit: null, container: 'c', image: 'leaky' },
      ...{ namespace: null, pod: null },
    },
  };
  incidents.take(fleetEvent(folded));
  expect(incidents.open).toMatchObject([{ name: 'leaky', kills: 99, nodes: 1 }]);
});

test('an incident is over after ten quiet minutes, and the next one has another id', () => {
  const { told, kill, incidents } = finder();
  for (let i = 0; i < 3; i++) kill('n1', i * 1000, { image: 'a' });
  incidents.tick(2000 + QUIET_MS);
  expect(incidents.open).toHaveLength(1);
  incidents.tick(2001 + QUIET_MS);
  expect(incidents.open).toEqual([]);
  for (let i = 0; i < 9; i++) kill('n1', 3_600_000 + i * 1000, { image: 'a' });
  expect(told.map(({ state }) => state)).toEqual(['opened', 'closed', 'opened']);
  expect(told[0]?.incident_id).not.toBe(told[2]?.incident_id);
});

test('clusters are apart', () => {
  const { incidents } = finder();
  for (const cluster of ['a', 'b']) {
    for (let i = 0; i < 3; i++)
      incidents.take(fleetEvent(killAt(`${cluster}${i}`, { image: 'x' }), { cluster, node: `n${i}` }));
  }
  expect(incidents.open).toHaveLength(2);
});

test('kills that arrive in another order than they happened in are one incident', () => {
  const { incidents, kill } = finder();
  for (const atMs of [1000, 500, 0]) kill(`n${atMs}`, atMs, { image: 'a' });
  expect(incidents.open).toMatchObject([{ nodes: 3, kills: 3 }]);
});

test('kills that go on at one rate are an incident of a reader that has just started, become usual, and are told again when they rise', () => {
  const { incidents, told, kill } = finder();
  const until = (fromMs: number, toMs: number, everyMs: number) => {
    for (let atMs = fromMs; atMs < toMs; atMs += everyMs) {
      kill(`n${Math.floor(atMs / everyMs) % 500}`, atMs, { image: 'app' });
      incidents.tick(atMs);
    }
  };
  until(0, 12 * 60 * MINUTE, MINUTE);
  const summary = told.filter(({ state }) => state !== 'grown').map(({ state, ended }) => [state, ended]);
  expect(summary).toEqual([
    ['opened', null],
    ['closed', 'usual'],
  ]);
  expect(Date.parse(told.at(-1)?.until ?? '')).toBeLessThan(3 * 60 * MINUTE);
  until(12 * 60 * MINUTE, 12 * 60 * MINUTE + 5 * MINUTE, MINUTE / 8);
  expect(told.at(-1)).toMatchObject({ ended: null, name: 'app' });
  expect(incidents.open).toHaveLength(1);
});
