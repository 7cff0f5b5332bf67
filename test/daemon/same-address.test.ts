/** `oomscope run` with metrics and the page at one address. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '../alerts/receiver.ts';
import { ended, MAIN } from '../cli/cli.ts';
import { freePort } from '../free-port.ts';

it('serves both from one listener, metrics without the token and data only with it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-run-'));
  const address = `127.0.0.1:${await freePort()}`;
  const file = join(directory, 'oomscope.toml');
  const quiet =
    '[trace]\nenabled = false\n[pressure]\nenabled = false\n[guard]\n[[guard.rule]]\nname = "n"\nwhen = ["available < 1K"]\n';
  writeFileSync(
    file,
    `${quiet}[metrics]\nlisten = "${address}"\n[web]\nlisten = "${address}"\n[history]\npath = "${directory}/h.db"\n`,
  );
  const child = spawn(process.execPath, [MAIN, 'run', '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const end = ended(child);
  try {
    const statusOf = (path: string) =>
      fetch(`http://${address}${path}`).then(
        ({ status }) => status,
        () => 0,
      );
    await until(async () => child.exitCode !== null || (await statusOf('/readyz')) === 200, 60_000);
    expect(await Promise.all(['/metrics', '/', '/api/stream'].map(statusOf))).toEqual([200, 200, 401]);
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  } finally {
    child.kill('SIGKILL');
    await end;
    rmSync(directory, { recursive: true });
  }
});
