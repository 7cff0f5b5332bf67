import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readComposition } from '../../src/linux/cgroup-composition.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-cgroup-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const inode = () => String(statSync(directory, { bigint: true }).ino);

function files(contents: Record<string, string>): void {
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(directory, name), text);
}

const read = (version: 1 | 2, id = inode()) => readComposition(directory, { id, version }, 0);

test('reads cgroup v2, with the sum of its parts where the kernel has no line `kernel`', () => {
  const stat = ['anon 100', 'file 90', 'kernel_stack 5', 'pagetables 6', 'percpu 7', 'sock 8', 'shmem 30', 'slab 9'];
  files({ 'memory.current': '300\n', 'memory.stat': `${stat.join('\n')}\n`, 'memory.swap.current': '11\n' });
  expect(read(2)).toEqual({
    ...{ source: 'memory.stat', age_ns: expect.any(Number), usage_bytes: 300, anon_bytes: 100, file_bytes: 60 },
    ...{ shmem_bytes: 30, kernel_bytes: 27, slab_bytes: 9, sock_bytes: 8, page_tables_bytes: 6, swap_bytes: 11 },
  });
  files({ 'memory.stat': `${['kernel 77', ...stat].join('\n')}\n` });
  expect(read(2)).toMatchObject({ kernel_bytes: 77 });
});

test('reads cgroup v1 by its totals, and leaves out what the kernel does not account', () => {
  const stat = ['cache 1', 'rss 2', 'shmem 3', 'total_cache 50', 'total_rss 200', 'total_shmem 60'];
  files({ 'memory.usage_in_bytes': '300\n', 'memory.stat': `${stat.join('\n')}\n` });
  expect(read(1)).toMatchObject({
    ...{ usage_bytes: 300, anon_bytes: 200, file_bytes: 0, shmem_bytes: 60 },
    ...{ kernel_bytes: null, slab_bytes: null, sock_bytes: null, page_tables_bytes: null, swap_bytes: null },
  });
  files({ 'memory.kmem.usage_in_bytes': '12\n', 'memory.memsw.usage_in_bytes': '340\n' });
  expect(read(1)).toMatchObject({ kernel_bytes: 12, swap_bytes: 40 });
});

test('gives nothing for another cgroup of this path, a removed one, or a file without the needed lines', () => {
  files({ 'memory.current': '300\n', 'memory.stat': 'anon 1\nfile 2\nshmem 0\n' });
  expect(read(2)).not.toBeNull();
  expect(read(2, '1')).toBeNull();
  expect(readComposition(join(directory, 'gone'), { id: inode(), version: 2 }, 0)).toBeNull();
  files({ 'memory.stat': 'anon 1\nfile 2\n' });
  expect(read(2)).toBeNull();
  files({ 'memory.stat': `${'x'.repeat(20_000)}\nanon 1\nfile 2\nshmem 0\n` });
  expect(read(2)).toBeNull();
  files({ 'memory.stat': 'anon x\nfile -2\nshmem 0\n' });
  expect(read(2)).toBeNull();
});
