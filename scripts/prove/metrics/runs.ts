/** Runs test/lab/metrics-run.ts on this machine and in a guest. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { MetricsRun } from '../../../test/lab/metrics-run.ts';
import { NODE } from '../../../test/lab/runs.ts';
import { bootGuest, type GuestOptions, lastLines } from '../../lab/guest.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PROGRAM = [...NODE, 'test/lab/metrics-run.ts'];
/** What this machine can make. */
const HERE = ['cgroup', 'ancestor', 'trigger', 'thread', 'shared', 'dying'];
/** What only a guest can make, and what it makes in another way, with cgroup v2. It makes few kills, because it is slow. */
const GUEST = ['cgroup', 'oom.group', 'shared', 'dying', 'cpuset', 'mempolicy', 'system', 'SysRq-f'];

/** @param options of metrics-run.ts. @param kills the least number of kills */
export async function runHere(kills: number, options: readonly string[] = []): Promise<MetricsRun> {
  const [, ...words] = [...PROGRAM, ...options, String(kills), ...HERE];
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  await once(child, 'close');
  return resultIn(stdout) ?? fail(`no result, exit code ${child.exitCode}`);
}

/** @param options of metrics-run.ts. @param connected the network of the guest, and what ends the guest */
export async function runInGuest(
  kernel: string,
  options: readonly string[] = [],
  connected: Pick<GuestOptions, 'network' | 'signal'> = {},
): Promise<MetricsRun> {
  const shape = { memoryMib: 768, numa: 2, swap: 'zram', swapMib: 64, limitSeconds: 1200, cgroup: 'v2' } as const;
  const command = [...PROGRAM, ...options, '0', ...GUEST];
  const result = await bootGuest({ architecture: 'x64', kernel, ...shape, command, ...connected });
  return resultIn(result.stdout) ?? fail(`no result: ${lastLines(result)}\n${result.stderr}`);
}

function resultIn(stdout: string): MetricsRun | undefined {
  const line = stdout.split('\n').find((each) => each.startsWith('{"kernel"'));
  return line === undefined ? undefined : (JSON.parse(line) as MetricsRun);
}

function fail(sentence: string): never {
  throw new Error(sentence);
}
