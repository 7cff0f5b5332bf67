/** `--realtime`: which threads run at real-time priority, and what happens where the kernel refuses it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../cli/cli.ts';
import { bpfUnavailable } from './unavailable.ts';

const COMMAND = join(ROOT, 'scripts/oomscope.sh');
const [SCHED_OTHER, SCHED_FIFO, SCHED_RR] = [0, 1, 2];
/** setpriv(1) takes the capability away, as the profile of a container does. */
const without = ['setpriv', '--bounding-set=-sys_nice', '--'];
const refusable = spawnSync('setpriv', [...without.slice(1), 'true']).status === 0;
const permitted = spawnSync('chrt', ['-f', '2', 'true']).status === 0;

/** The scheduling policy of each thread by its name, when the first line of `trace --json` has come, and what stderr said. */
async function policies(prefix: string[], ...options: string[]) {
  const [program, ...rest] = [...prefix, COMMAND, 'trace', '--json', ...options] as [string, ...string[]];
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const ended = once(child, 'close');
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += bytes;
  });
  await once(createInterface(child.stdout), 'line');
  const look = () => readdirSync(`/proc/${child.pid}/task`).map((tid) => policyOf(`/proc/${child.pid}/task/${tid}`));
  let threads = look();
  // The start is told before the pollers have their names and priorities.
  const reads = ([name, policy]: readonly [string, number]) =>
    name === 'oomscope-poll-0' && (policy === SCHED_FIFO || prefix.length > 0);
  const wanted = (all: typeof threads) =>
    all.some(([name]) => name === 'main') && all.some(reads) && (said !== '' || isRaised(all) || options.length === 0);
  for (const end = Date.now() + 10_000; !wanted(threads) && Date.now() < end; threads = look())
    await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGTERM');
  await ended;
  return { ...Object.fromEntries(threads), said, count: threads.length };
}

const isRaised = (threads: (readonly [string, number])[]) => threads.some(([, policy]) => policy === SCHED_RR);

function policyOf(task: string): readonly [string, number] {
  const stat = readFileSync(`${task}/stat`, 'latin1');
  const [tid] = stat.split(' ');
  const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
  const policy = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]);
  return [task.includes(`/proc/${tid}/`) ? 'main' : name, policy];
}

describe.skipIf(bpfUnavailable())('real-time priority', () => {
  it.runIf(permitted)('is that of the threads which read records, and of JavaScript only with --realtime', async () => {
    const pollers = { 'oomscope-poll-0': SCHED_FIFO };
    expect(await policies([])).toMatchObject({ ...pollers, main: SCHED_OTHER, said: '' });
    expect(await policies([], '--realtime')).toMatchObject({ ...pollers, main: SCHED_RR, said: '' });
  });

  it('is taken by a process of few threads', async () => {
    // JavaScript, two pollers, two for files, V8's two, and Node's for its debugger.
    expect((await policies([])).count).toBeLessThanOrEqual(8);
  });

  it.runIf(refusable)('is refused with one sentence, and tracing goes on', async () => {
    const { said, count: _, ...threads } = await policies(without, '--realtime');
    expect(threads).toMatchObject({ 'oomscope-poll-0': SCHED_OTHER, main: SCHED_OTHER });
    expect(said).toMatch(/^oomscope: --realtime: SCHED_RR 1 \(CAP_SYS_NICE, .*\): EPERM\. It goes on without\.\n$/);
  });
});
