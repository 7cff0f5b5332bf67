/** What the demo says of a process that ended without an OOM kill, with real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { withoutKill } from '../../src/cli/verbs/demo/scenes.ts';

async function ended(child: ChildProcess): Promise<ChildProcess> {
  await once(child, 'exit');
  return child;
}

test('a process that the demo itself ended after its timeout is not said to be ended by another process', async () => {
  const child = await ended(spawn('sleep', ['60'], { timeout: 20, killSignal: 'SIGTERM' }));
  expect(child.signalCode).toBe('SIGTERM');
  expect(withoutKill(child)).toBe(`no OOM kill came within 90 s, so the demo ended process ${child.pid} itself`);
});

test('a process that ended by the signal of another process is said to be', async () => {
  const child = spawn('sleep', ['60'], { timeout: 90_000, killSignal: 'SIGTERM' });
  process.kill(child.pid as number, 'SIGTERM');
  expect(withoutKill(await ended(child))).toContain(
    `another process, such as a guard, ended process ${child.pid} first`,
  );
});

test('a process that ended by itself is said to have met no OOM kill', async () => {
  const child = await ended(spawn('true', { timeout: 90_000, killSignal: 'SIGTERM' }));
  expect(withoutKill(child)).toBe('expected an OOM kill, and there was none');
});
