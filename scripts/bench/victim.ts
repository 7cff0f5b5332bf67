/** Makes one real OOM kill in a memory cgroup that was made for this purpose. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { built } from './rivals.ts';

const LIMIT_BYTES = 32 * 2 ** 20;

export function makeGroup(): MemoryGroup {
  return createMemoryGroup({ limitBytes: LIMIT_BYTES, name: `oomscope-bench-${process.pid}` });
}

/**
 * Starts a hog, which the kernel kills.
 *
 * @param cpu binds the hog to this CPU.
 * @returns its pid.
 * @throws if it was not killed
 */
export async function killOne(group: MemoryGroup, cpu?: number): Promise<number> {
  const hog = [built('hog'), '--cgroup', group.path, '--max', `${2 * LIMIT_BYTES}`];
  const [file = '', ...args] = cpu === undefined ? hog : ['taskset', '-c', String(cpu), ...hog];
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 20_000 });
  const [code, signal] = await once(child, 'exit');
  if (signal !== 'SIGKILL' || child.pid === undefined) throw new Error(`the hog was not killed: ${code ?? signal}`);
  return child.pid;
}
