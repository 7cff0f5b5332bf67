/** These tests use simulated files, because memory.reclaim needs cgroup v2. They check what is written and reported. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { noOwner } from '../../src/model/container.ts';
import type { MemoryReclaimed } from '../../src/model/suggestion.ts';
import { checkReclaim, Reclaimer, reclaim, reclaimMessage } from '../../src/pressure/reclaim.ts';
import { schemaErrors } from '../schema.ts';

let root: string;
let cgroups: Cgroupfs;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oomscope-reclaim-'));
  mkdirSync(join(root, 'a'));
  writeFileSync(join(root, 'a', 'memory.current'), '5242880\n');
  cgroups = new Cgroupfs({ version: 2, mount: root, unified: root });
});
afterEach(() => rmSync(root, { recursive: true }));

test('writes the bytes of the order to memory.reclaim of its cgroup', async () => {
  writeFileSync(join(root, 'a', 'memory.reclaim'), '');
  checkReclaim({ cgroup: '/a', bytes: 4096 }, cgroups);
  const done = await reclaim({ cgroup: '/a', bytes: 4096 }, cgroups);
  expect(readFileSync(join(root, 'a', 'memory.reclaim'), 'utf8')).toBe('4096');
  expect(done).toMatchObject({ cgroup: '/a', asked_bytes: 4096, before_bytes: 5242880, outcome: 'done' });
  expect(reclaimMessage({ ...done, after_bytes: 1048576 })).toBe('Reclaimed 4 MiB of 4 KiB from /a.');
});

test('reports a failure without throwing', async () => {
  const failed = await reclaim({ cgroup: '/gone', bytes: 1 }, cgroups);
  expect(failed).toMatchObject({ outcome: 'failed', before_bytes: null, detail: 'memory.reclaim: ENOENT' });
  expect(reclaimMessage(failed)).toBe('Could not reclaim memory from /gone: memory.reclaim: ENOENT.');
});

test('refuses an order that this kernel or cgroup cannot carry out', () => {
  const order = { cgroup: '/a', bytes: 1 };
  expect(() => checkReclaim(order, cgroups)).toThrow('it has no memory.reclaim (Linux 5.19)');
  expect(() => checkReclaim({ cgroup: '/b', bytes: 1 }, cgroups)).toThrow('there is no such cgroup');
  expect(() => checkReclaim(order, new Cgroupfs({ version: 1, mount: root, unified: undefined }))).toThrow('cgroup v1');
  expect(() => checkReclaim(order, undefined)).toThrow('no memory cgroups');
});

test('starts the orders for a critical cgroup and below, each at most once in 10 s', async () => {
  for (const path of ['a/b', 'c']) {
    mkdirSync(join(root, path));
    writeFileSync(join(root, path, 'memory.current'), '8192\n');
  }
  const events: MemoryReclaimed[] = [];
  const orders = ['/a/b', '/c'].map((cgroup) => ({ cgroup, bytes: 4096 }));
  const emit = (event: MemoryReclaimed) => events.push(event);
  const reclaimer = new Reclaimer({ orders, cgroups, envelopes: new EnvelopeFactory(), emit });
  const subject = (path: string) => ({ scope: 'cgroup' as const, path, id: null, ...noOwner });
  reclaimer.relieve({ id: 'one', subject: subject('/a') });
  reclaimer.relieve({ id: 'two', subject: subject('/a') });
  await expect.poll(() => events.length).toBe(1);
  expect(events[0]).toMatchObject({ type: 'memory.reclaimed', cgroup: '/a/b', because_id: 'one', outcome: 'done' });
  expect(schemaErrors(events[0])).toEqual([]);
  reclaimer.relieve({ id: 'three', subject: { scope: 'system', path: '/', id: null, ...noOwner } });
  await expect.poll(() => events.map(({ cgroup }) => cgroup)).toEqual(['/a/b', '/c']);
});
