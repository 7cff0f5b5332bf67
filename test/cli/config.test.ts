import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SERVICE_FILES } from '../../src/config/choose-file.ts';
import { oomscope, ROOT } from './cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
afterAll(() => rmSync(directory, { recursive: true }));

const file = (name: string, text: string | Uint8Array) => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};

describe('config', () => {
  it('check prints no faults, or every fault with its line and exits with code 2', async () => {
    const full = join(ROOT, 'test/fixtures/config/full.toml');
    expect(await oomscope(['config', 'check', full])).toMatchObject({ code: 0, stdout: `${full} has no faults.\n` });
    const wrong = file('wrong.toml', '[guard]\nmod = 1\n[pressur]\n');
    const { code, stdout, stderr } = await oomscope(['config', 'check', wrong]);
    expect(stderr).toContain('has 2 faults');
    expect(stderr).toContain(`${wrong}:2: guard.mod: there is no such setting. Did you mean "mode"?`);
    expect(stderr).toContain(`${wrong}:3: pressur: there is no such setting. Did you mean "pressure"?`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('print writes a configuration without faults', async () => {
    const { stdout } = await oomscope(['config', 'print']);
    const again = await oomscope(['config', 'print', file('printed.toml', stdout)]);
    expect(again).toMatchObject({ code: 0, stdout });
  });

  it('print hides the secrets in a URL', async () => {
    const sinks = [
      'sink = "slack"\ntarget = "https://hooks.example.org/T0K3N"',
      'sink = "webhook"\ntarget = "https://T0K3N:T0K3N@example.org/?T0K3N"',
      'sink = "alertmanager"\ntarget = "http://localhost:9093/"',
      'sink = "slack"\ntarget = "@/etc/oomscope/url"',
    ];
    const { code, stdout } = await oomscope([
      'config',
      'print',
      file('secrets.toml', sinks.map((sink) => `[[alert]]\n${sink}\n`).join('')),
    ]);
    expect(code).toBe(0);
    expect(stdout).not.toContain('T0K3N');
    expect(stdout).toContain('# URLs end with "…" here');
    expect([...stdout.matchAll(/target = (.*)/g)].map(([, target]) => target)).toEqual([
      '"https://hooks.example.org/…"',
      '"https://example.org/…"',
      '"http://localhost:9093/"',
      '"@/etc/oomscope/url"',
    ]);
  });

  it('import refuses a FIFO at once', async () => {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const { code, stderr } = await oomscope(['config', 'import', 'earlyoom', fifo]);
    expect(stderr).toContain('expected a regular file, got a FIFO');
    expect(code).toBe(66);
  });

  it('schema', async () => {
    const { stdout } = await oomscope(['config', 'schema']);
    expect(JSON.parse(stdout)).toMatchObject({ title: 'oomscope.toml', additionalProperties: false });
  });

  it('import writes a configuration without faults', async () => {
    const { code, stdout } = await oomscope(['config', 'import', 'earlyoom', file('e', 'EARLYOOM_ARGS="-m 4 -n"\n')]);
    expect(code).toBe(0);
    expect(stdout).toContain('# Note: -n');
    expect(await oomscope(['config', 'check', file('imported.toml', stdout)])).toMatchObject({ code: 0 });
  });

  it.each([
    [['config'], 'got nothing'],
    [['config', 'chekc'], 'got "chekc"'],
    [['config', 'import', 'oomd', 'x'], 'expected one of earlyoom'],
    [['config', 'schema', '--yaml'], 'no option "--yaml"'],
    [['guard', '--enforce', '--shadow'], 'got both'],
    [['guard', '--when', 'available < 200 %'], '--when: these conditions always hold'],
    [['guard', '--cgroup', 'everything'], '--cgroup: expected "system"'],
    [['guard', '--avoid', '(a'], '--avoid: expected a regular expression'],
    [['guard', '--steps', 'kill,term'], '--steps: "term" is milder'],
    [['guard', '--config', '/nowhere/x.toml', '--rank', 'rss'], 'got both'],
    [['record', '--cgroup', 'x'], '--cgroup: expected'],
  ])('%j', async (args, part) => {
    const { code, stdout, stderr } = await oomscope(args);
    expect(stderr).toContain(part);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it.skipIf(SERVICE_FILES.some((path) => existsSync(path)))(
    'check without FILE takes that of the service',
    async () => {
      const { code, stderr } = await oomscope(['config', 'check']);
      expect(stderr).toContain('Expected a configuration in /etc/oomscope/oomscope.toml: there is no such file.');
      expect(code).toBe(66);
      const run = await oomscope(['run']);
      expect(run.stderr).toContain(
        'expected the configuration file, got none: begin one with `oomscope config print`.',
      );
      expect(run.code).toBe(2);
    },
  );

  it('refuses a file that is not UTF-8', async () => {
    const { code, stderr } = await oomscope(['config', 'check', file('bytes.toml', new Uint8Array([0x61, 0xff]))]);
    expect(stderr).toContain('it is not UTF-8');
    expect(code).toBe(2);
  });
});
