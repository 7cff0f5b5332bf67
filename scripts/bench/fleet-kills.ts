/** Measures the time from the kernel's mark_oom_victim() on a node until the handler of a fleet's reader has the event. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFleet } from '../../src/fleet/open-fleet.ts';
import type { RealNats } from '../../test/publish/real-nats.ts';
import { killOne, makeGroup } from './victim.ts';

const PATIENCE_MS = 10_000;
/** Between two kills: the node and the server are idle again. */
const PAUSE_MS = 100;

/** The way of one kill, in ms. */
export interface Way {
  /** From the kernel's mark until the node sends the event. The clock in the message has steps of a millisecond. */
  onNode: number;
  /** Until the server has stored it. */
  toServer: number;
  /** Until the handler has it. */
  toHandler: number;
  /** All three. */
  whole: number;
}

/**
 * The node is `oomscope trace --publish`, a process of its own; the reader is this process. Both have one clock.
 *
 * @param server a server that is set up
 * @param realtime the node has --realtime, and server and reader have real-time priority as well: other work of this
 *   machine delays none of them, as if each had a machine of its own
 * @returns one way for each kill
 */
export async function kernelToReader(
  { url, pid: serverPid }: Pick<RealNats, 'url' | 'pid'>,
  { kills, realtime }: { kills: number; realtime: boolean },
): Promise<Way[]> {
  const main = join(import.meta.dirname, '../../dist/cli/main.js');
  const command = [main, 'trace', ...(realtime ? ['--realtime'] : []), '--publish', `${url} node=bench`];
  const node = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const group = makeGroup();
  const arrived = new Map<number, Way>();
  await using fleet = await openFleet({ servers: [url] });
  fleet.events$.subscribe(({ event, storedMs, skewMs }) => {
    if (event.type !== 'oom.kill') return;
    const nowMs = performance.timeOrigin + performance.now();
    const whole = Number(process.hrtime.bigint() - BigInt(event.mono_ns)) / 1e6;
    const [toHandler, toServer] = [nowMs - storedMs, skewMs ?? 0];
    arrived.set(event.victim.pid, { onNode: whole - toServer - toHandler, toServer, toHandler, whole });
  });
  try {
    for await (const line of createInterface(node.stdout)) if (line.includes('tracer.started')) break;
    node.stdout.resume();
    const policy = realtime ? ['--rr', '1'] : ['--other', '0'];
    for (const each of [serverPid, process.pid]) setPolicy(each, policy);
    const ways: Way[] = [];
    // The first kills load code.
    for (let i = -3; i < kills; i++) {
      const pid = await killOne(group);
      const until = performance.now() + PATIENCE_MS;
      while (!arrived.has(pid) && performance.now() < until) await sleep(2);
      const way = arrived.get(pid);
      if (way === undefined) throw new Error(`the kill of the process ${pid} did not arrive`);
      if (i >= 0) ways.push(way);
      await sleep(PAUSE_MS);
    }
    return ways;
  } finally {
    setPolicy(process.pid, ['--other', '0']);
    const ended = once(node, 'exit');
    node.kill('SIGTERM');
    await ended;
    group.remove();
  }
}

/** Sets the scheduling policy of all threads of a process, but not of processes that it starts. */
function setPolicy(pid: number | undefined, [policy = '', priority = '']: string[]): void {
  execFileSync('chrt', [policy, '--reset-on-fork', '--all-tasks', '--pid', priority, String(pid)]);
}
