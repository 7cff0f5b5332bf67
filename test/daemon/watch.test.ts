import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { Watch } from '../../src/daemon/watch.ts';

/**
 * A configuration for a dry run without tracer and monitor, which needs no privileges. Its rule runs a program, which
 * must exist.
 */
const config = (program: string) =>
  parseConfig(
    `[trace]
enabled = false
[pressure]
enabled = false
[guard]
[[guard.rule]]
name = "never"
when = ["available < 1K"]
steps = [{ do = "exec", command = ["${program}"] }, { do = "kill" }]
`,
    'f.toml',
  );

async function setUp() {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-watch-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const program = join(directory, 'hook');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  const first = await config(program);
  const watch = new Watch();
  onTestFinished(() => watch.close());
  await watch.open(first);
  return { watch, program };
}

test('the error of a new guard that cannot start is thrown, and the previous guard runs again', async () => {
  const { watch } = await setUp();
  const error = await watch.guardBy(await config('/nonexistent/new')).catch((thrown) => thrown);
  expect(error.message).toMatch(/^Rule "never", step "exec": .*"\/nonexistent\/new": there is no such file\.$/);
});

test('when the previous guard cannot start again either, the error of the new guard comes first', async () => {
  const { watch, program } = await setUp();
  rmSync(program);
  const error = await watch.guardBy(await config('/nonexistent/new')).catch((thrown) => thrown);
  expect(error.code).toBe('USAGE');
  expect(error.message.split('\n')).toEqual([
    expect.stringContaining('"/nonexistent/new": there is no such file.'),
    expect.stringMatching(/^The previous guard could not be started again: .*hook": there is no such file\.$/),
    'No guard is running: correct the configuration and reload.',
  ]);
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
  expect(await watch.guardBy(await config(program))).toEqual(['rule "never" watches the system: available < 1K']);
});
