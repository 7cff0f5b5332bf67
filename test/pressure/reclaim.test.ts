/** On made-up files, for memory.reclaim is of cgroup v2: what is written, and what is said. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { checkReclaim, reclaim, reclaimMessage } from '../../src/pressure/reclaim.ts';

let root: string;
let cgroups: Cgroupfs;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oomscope-reclaim-'));
  mkdirSync(join(root, 'a'));
  writeFileSync(join(root, 'a', 'memory.current'), '5242880\n');
  cgroups = new Cgroupfs({ version: 2, mount: root, unified: root });
});
afterEach(() => rmSync(root, { recursive: true }));

test('as many bytes as were asked for, of that group', async () => {
  writeFileSync(join(root, 'a', 'memory.reclaim'), '');
  checkReclaim({ cgroup: '/a', bytes: 4096 }, cgroups);
  const done = await reclaim({ cgroup: '/a', bytes: 4096 }, cgroups);
  expect(readFileSync(join(root, 'a', 'memory.reclaim'), 'utf8')).toBe('4096');
  expect(done).toMatchObject({ cgroup: '/a', asked_bytes: 4096, before_bytes: 5242880, outcome: 'done' });
  expect(reclaimMessage({ ...done, after_bytes: 1048576 })).toBe('Reclaimed 4 MiB of 4 KiB from /a.');
});

test('a failure is said, not thrown', async () => {
  const failed = await reclaim({ cgroup: '/gone', bytes: 1 }, cgroups);
  expect(failed).toMatchObject({ outcome: 'failed', before_bytes: null, detail: 'memory.reclaim: ENOENT' });
  expect(reclaimMessage(failed)).toBe('Could not reclaim memory from /gone: memory.reclaim: ENOENT.');
});

test('what cannot be done is said before anything begins', () => {
  const order = { cgroup: '/a', bytes: 1 };
  expect(() => checkReclaim(order, cgroups)).toThrow('it has no memory.reclaim (Linux 5.19)');
  expect(() => checkReclaim({ cgroup: '/b', bytes: 1 }, cgroups)).toThrow('there is no such cgroup');
  expect(() => checkReclaim(order, new Cgroupfs({ version: 1, mount: root, unified: undefined }))).toThrow('cgroup v1');
  expect(() => checkReclaim(order, undefined)).toThrow('no memory cgroups');
});
