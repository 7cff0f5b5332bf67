/**
 * A shortage for the documents: in the memory cgroup /shop, with a limit of 128 MiB, `postgres` holds 72 MiB and
 * `cache-builder` grows by 2 MiB/s until the kernel kills the larger one, `postgres`. Needs root; takes half a minute.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cgroupfs } from '../../dist/linux/cgroupfs.js';
import { createMemoryGroup } from '../memory-cgroup.ts';

const MIB = 2 ** 20;
const root = Cgroupfs.find()?.directory('/');
if (root === undefined) throw new Error('expected a memory cgroup hierarchy, found none');

const programs = mkdtempSync(join(tmpdir(), 'shop-'));
const group = createMemoryGroup({ parent: root, name: 'shop', limitBytes: 128 * MIB });

function start(name: string, ...args: string[]) {
  const program = join(programs, name);
  copyFileSync(join(import.meta.dirname, '../../build/hog'), program);
  return spawn(program, ['--cgroup', group.path, ...args], { argv0: name, stdio: ['ignore', 'pipe', 'inherit'] });
}

try {
  const postgres = start('postgres', '--hold', '72M');
  await once(postgres.stdout, 'data');
  const cacheBuilder = start('cache-builder', '--max', '80M', '--rate', '2M');
  await once(postgres, 'exit');
  cacheBuilder.kill('SIGKILL');
  await once(cacheBuilder, 'exit');
} finally {
  group.remove();
  rmSync(programs, { recursive: true });
}
