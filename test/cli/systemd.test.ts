import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { systemdUnit } from '../../src/config/import/systemd-unit.ts';
import { oomscope } from './cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
afterAll(() => rmSync(directory, { recursive: true }));
const config = join(directory, 'oomscope.toml');
writeFileSync(config, '[guard]\nmode = "enforce"\n');
const unit = join(directory, 'oomscope.service');

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

describe('systemd', () => {
  it('installs the unit, replaces a unit that it has installed before, and removes it', async () => {
    const install = ['systemd', 'install', '--config', config, '--directory', directory];
    expect(await oomscope(install)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`oomscope: Wrote ${unit}.\n`),
    });
    expect(await oomscope(install)).toMatchObject({ code: 0 });
    const text = readFileSync(unit, 'utf8');
    expect(text).toContain(`run --config ${config} --drop-capabilities\n`);
    expect(text).toContain('--max-old-space-size=');
    // The default, 90 s, is too short while the machine is short of memory and CPU time.
    expect(text).toContain('\nTimeoutStartSec=5min\n');
    // The limit of starts also applies where a start takes three minutes until it fails; a fault that lasts needs one start.
    expect(text).toContain('\nStartLimitIntervalSec=30min\nStartLimitBurst=10\n');
    expect(text).toContain('\nRestartPreventExitStatus=2 66 77\n');
    expect(await oomscope(['systemd', 'print', '--config', config])).toMatchObject({ code: 0, stdout: text });
    expect(await oomscope(['systemd', 'remove', '--directory', directory])).toMatchObject({ code: 0 });
    expect(existsSync(unit)).toBe(false);
    expect((await oomscope(['systemd', 'remove', '--directory', directory])).stderr).toContain('nothing to remove');
  });

  it('neither replaces nor removes a unit that it did not write', async () => {
    writeFileSync(unit, '[Service]\nExecStart=/bin/true\n');
    for (const words of [['install', '--config', config], ['remove']]) {
      const { code, stderr } = await oomscope(['systemd', ...words, '--directory', directory]);
      expect(stderr).toContain('was not made by');
      expect(code).toBe(2);
    }
    expect(readFileSync(unit, 'utf8')).toContain('/bin/true');
    rmSync(unit);
  });

  it('does not install a unit for a configuration with faults', async () => {
    const wrong = join(directory, 'wrong.toml');
    writeFileSync(wrong, 'x = 1\n');
    const { code } = await oomscope(['systemd', 'install', '--config', wrong, '--directory', directory]);
    expect(code).toBe(2);
    expect(existsSync(unit)).toBe(false);
  });

  it('lets the service bind the port of its metrics, and no other', async () => {
    const listening = join(directory, 'listening.toml');
    writeFileSync(listening, '[metrics]\nlisten = "127.0.0.1:9836"\ntextfile = "/srv/prom/x.prom"\n');
    const { stdout } = await oomscope(['systemd', 'print', '--config', listening]);
    expect(stdout).toContain('\nSocketBindAllow=tcp:9836\nSocketBindDeny=any\n');
    expect(stdout).toContain('RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n');
    expect(stdout).toContain('ReadWritePaths=/srv/prom\n');
    expect((await oomscope(['systemd', 'print', '--config', config])).stdout).not.toContain('SocketBindAllow');
  });

  it('permits the threads that read records their real-time priority, with and without a guard', async () => {
    const tracing = join(directory, 'tracing.toml');
    writeFileSync(tracing, '[trace]\n');
    for (const file of [tracing, config]) {
      const { stdout } = await oomscope(['systemd', 'print', '--config', file]);
      expect(stdout).toContain('\nLimitRTPRIO=2\n');
      expect(stdout).not.toContain('RestrictRealtime');
    }
  });

  it('quotes special characters in a path', () => {
    const needs = {
      features: new Set(['guarding' as const]),
      network: false,
      ports: [],
      realtimePriority: 0,
      writes: [],
    };
    const text = systemdUnit({ command: ['/a b/"c"', '50%', '$HOME', 'a\nExecStart=/bin/sh'], ...needs });
    expect(text).toContain('ExecStart="/a b/\\"c\\"" "50%%" "$$HOME" "a\\x0aExecStart=/bin/sh"\n');
  });

  it.skipIf(!hasSystemd)('systemd accepts the unit, and rates its exposure low', async () => {
    const { stdout } = await oomscope(['systemd', 'print', '--config', config]);
    writeFileSync(unit, stdout);
    const verified = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
    expect(verified.stderr.split('\n').filter((line) => line.includes('oomscope.service'))).toEqual([]);
    const said = execFileSync('systemd-analyze', ['security', '--offline=yes', '--no-pager', unit], {
      encoding: 'utf8',
    });
    expect(Number(/exposure level for oomscope.service: ([\d.]+)/.exec(said)?.[1])).toBeLessThan(2.5);
  });
});
