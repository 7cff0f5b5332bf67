/** `protect apply --watch` sets the oom_score_adj of a process as soon as it executes its program. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { MAIN, oomscope } from '../cli/cli.ts';
import { adjOf, Sleepers } from '../protect/sleepers.ts';

test('sets oom_score_adj when a process executes its program, and restores it by undo', async () => {
  await using sleepers = new Sleepers('a)\n"b"');
  const there = await sleepers.start();
  const state = ['--state-file', sleepers.state];
  const args = ['protect', 'apply', 'ours', '--profiles', sleepers.profiles(250), ...state, '--watch', '--json'];
  const watch = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(watch, 'close');
  const watching = once(watch.stderr.setEncoding('utf8'), 'data').then(async ([text]) => {
    while (!text.includes('Watching')) [text] = await once(watch.stderr, 'data');
  });
  try {
    const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? 'null');
    expect(await next()).toMatchObject({ pid: there, outcome: 'done', exec_to_written_ns: null });
    await watching;
    const started = [await sleepers.start(), await sleepers.start()];
    for (const pid of started) {
      const applied = await next();
      expect(applied).toMatchObject({ pid, before: 0, after: 250, outcome: 'done', matched_by: 'exe' });
      expect(applied.exec_to_written_ns).toBeGreaterThan(0);
      expect(adjOf(pid)).toBe(250);
    }
    // A shell that executes the program is the same process before and after.
    const shell = spawn('/bin/sh', ['-c', 'read go; exec "$0" 600', sleepers.exe], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    try {
      await once(shell, 'spawn');
      expect(adjOf(shell.pid as number)).toBe(0);
      shell.stdin.write('go\n');
      expect(await next()).toMatchObject({ pid: shell.pid, outcome: 'done' });
    } finally {
      shell.kill('SIGKILL');
      await once(shell, 'exit');
    }
    // Only one process may use the state file, so `undo` is refused while the watch runs.
    expect(await oomscope(['protect', 'undo', ...state])).toMatchObject({ code: 2, stdout: '' });
    watch.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(await oomscope(['protect', 'undo', ...state])).toMatchObject({ code: 0 });
    expect([there, ...started].map(adjOf)).toEqual([0, 0, 0]);
  } finally {
    watch.kill('SIGKILL');
  }
});
