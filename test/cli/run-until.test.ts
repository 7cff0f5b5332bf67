import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const runUntil = join(import.meta.dirname, '../../src/cli/verb/run-until.ts');

test('a verb that cannot close what it opened ends five seconds after SIGTERM', async () => {
  const code = `
    import { RunUntil } from ${JSON.stringify(runUntil)};
    const ending = new RunUntil();
    ending.bySignals();
    setInterval(() => {}, 1000);
    process.stdout.write('ready');
    await ending.comes();
    await new Promise(() => {});`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    const before = performance.now();
    child.kill('SIGTERM');
    const [exitCode] = await once(child, 'close');
    expect(exitCode).toBe(143);
    // The process itself keeps the time: a busy machine only makes this test's own clock late.
    expect(performance.now() - before).toBeGreaterThan(4000);
  } finally {
    child.kill('SIGKILL');
  }
}, 30_000);
