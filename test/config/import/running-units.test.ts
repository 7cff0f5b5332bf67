/** Units as systemd 257 shows them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { importConfig } from '../../../src/config/import/import.ts';
import { runningUnits } from '../../../src/config/import/running-units.ts';
import { MAIN, oomscope } from '../../cli/cli.ts';

interface Shown {
  Id: string;
  ControlGroup?: string;
  ManagedOOMSwap?: string;
  ManagedOOMMemoryPressure?: string;
  ManagedOOMMemoryPressureLimit?: string;
  ManagedOOMMemoryPressureDurationUSec?: string;
  OOMRules?: string;
}

/** systemd prints the properties in its own order; OOMRules is new in 261. */
const block = ({ OOMRules, ...given }: Shown) =>
  Object.entries({
    ...{
      ControlGroup: '',
      ManagedOOMSwap: 'auto',
      ManagedOOMMemoryPressure: 'auto',
      ManagedOOMMemoryPressureLimit: '0',
    },
    ...{ ManagedOOMMemoryPressureDurationUSec: '[not set]', ...given, ...(OOMRules && { OOMRules }) },
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

const user = '/user.slice/user-1000.slice/user@1000.service';
const shown = [
  block({
    Id: 'user@1000.service',
    ControlGroup: user,
    ManagedOOMMemoryPressure: 'kill',
    ManagedOOMMemoryPressureLimit: '2147483648',
  }),
  block({ Id: '-.slice', ControlGroup: '/', ManagedOOMSwap: 'kill' }),
  block({ Id: 'system.slice', ControlGroup: '/system.slice' }),
  block({ Id: 'stopped.service', ManagedOOMMemoryPressure: 'kill' }),
  'Id=network.target\n', // a unit without a cgroup has none of the properties
  block({
    ...{ Id: 'a.service', ControlGroup: '/b.slice/b-c.slice/a.service', ManagedOOMSwap: 'kill' },
    ...{ ManagedOOMMemoryPressure: 'kill', ManagedOOMMemoryPressureDurationUSec: '1min 30s', OOMRules: 'one two' },
  }),
].join('\n');
const machine = { memory: 8 * 2 ** 20, swap: 2 * 2 ** 20 };

describe('the units of a running systemd', () => {
  it('are those for which systemd-oomd acts and that have a cgroup', () => {
    const nothing = { limit: undefined, lastsMs: undefined, rulesets: [] };
    expect(runningUnits(shown)).toEqual([
      { name: 'user@1000.service', on: [user], pressure: true, swap: false, ...nothing, limit: 50 },
      { name: '-.slice', on: ['system'], pressure: false, swap: true, ...nothing },
      {
        ...{ name: 'a.service', on: ['/b.slice/b-c.slice/a.service'], pressure: true, swap: true },
        ...{ limit: undefined, lastsMs: 90_000, rulesets: ['one', 'two'] },
      },
    ]);
  });

  it('become rules, with the defaults of oomd.conf where they have none, and instead of files of the same units', () => {
    const files = [
      { path: 'oomd.conf', text: '[OOM]\nDefaultMemoryPressureDurationSec=20s\nSwapUsedLimit=80%\n' },
      {
        path: '/etc/systemd/system/a.service',
        text: '[Service]\nManagedOOMMemoryPressure=kill\nManagedOOMMemoryPressureLimit=1%\n',
      },
      {
        path: '/etc/systemd/oomd/rules.d/two.oomrule',
        text: '[Rule]\nMemoryPressureAbove=40%\nAction=kill-by-pgscan\n',
      },
    ];
    const { guard, notes } = importConfig('systemd-oomd', files, machine, runningUnits(shown));
    const rules = guard.policy.rules.map(({ name, on, when }) => [
      name,
      on.map((at) => (at.kind === 'cgroup' ? at.glob : at.kind)).join(),
      when.map(({ text }) => text).join(),
    ]);
    const a = '/b.slice/b-c.slice/a.service';
    expect(rules).toEqual([
      ['pressure in user@1000.service', user, 'pressure.full.avg10 > 50 % for 20s'],
      ['memory and swap are used up, for -.slice', 'system', 'usage > 80 %,swap_free < 20 %'],
      ['pressure in a.service', a, 'pressure.full.avg10 > 60 % for 90s'],
      ['memory and swap are used up, for a.service', a, 'system.usage > 80 %,system.swap_free < 20 %'],
      ['ruleset two', a, 'pressure.full.avg10 > 40 %'],
    ]);
    expect(notes.join('\n')).toContain('for the units that run now');
    expect(notes.join('\n')).not.toContain('no unit file was given');
  });
});

describe('oomscope config import systemd-oomd --running', () => {
  const bin = mkdtempSync(join(tmpdir(), 'oomscope-systemctl-'));
  afterAll(() => rmSync(bin, { recursive: true }));
  const program = (name: string, script: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}`, { mode: 0o755 });
  const words = ['config', 'import', 'systemd-oomd', '--running'];
  const run = () => oomscope(words, ['env', `PATH=${bin}:/usr/bin:/bin`, process.execPath, MAIN]);

  // A fake: this machine has no systemd. The real one answers in `npm run prove:killers`.
  it('asks systemctl and systemd-analyze, and needs no file', async () => {
    writeFileSync(join(bin, 'shown'), shown);
    program('systemctl', `cat "${join(bin, 'shown')}"`);
    program('systemd-analyze', 'printf "# /etc/systemd/oomd.conf\\n[OOM]\\nDefaultMemoryPressureDurationSec=7s\\n"');
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^# From the running systemd, for systemd-oomd/);
    expect(stdout).toContain('pressure.full.avg10 > 50 % for 7s');
  });

  it('says what is missing when systemd does not answer', async () => {
    program('systemctl', 'echo "System has not been booted with systemd" >&2; exit 1');
    expect(await run()).toMatchObject({ code: 66, stderr: expect.stringContaining('`systemctl show`') });
  });

  it('is only for systemd-oomd', async () => {
    const { code, stderr } = await oomscope(['config', 'import', 'nohang', '--running']);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--running is for systemd-oomd'),
    });
  });
});
