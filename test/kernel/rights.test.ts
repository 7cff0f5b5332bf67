/** Capabilities: what `doctor --unit` judges with, and what a daemon keeps after its start. Real processes with real rights. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Diagnosis } from '../../src/doctor/diagnose.ts';
import { capabilityMask, effectiveCapabilities } from '../../src/linux/capabilities.ts';
import { lastingCapabilities } from '../../src/linux/rights.ts';
import { until } from '../alerts/receiver.ts';
import { ended, MAIN, oomscope } from '../cli/cli.ts';
import { bpfUnavailable } from './unavailable.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
  return () => rmSync(directory, { recursive: true });
});

const hasRights = process.geteuid?.() === 0 && bpfUnavailable() === undefined;

async function judge(capabilities: string, ...more: string[]) {
  const unit = join(directory, 'test.service');
  writeFileSync(unit, ['[Service]', `CapabilityBoundingSet=${capabilities}`, ...more].join('\n'));
  const { code, stdout, stderr } = await oomscope(['doctor', '--json', '--unit', unit]);
  expect(stderr).toBe('');
  const { findings } = JSON.parse(stdout) as Diagnosis;
  return { code, about: (name: string) => findings.filter((finding) => finding.name === name) };
}

describe.skipIf(!hasRights)('doctor --unit', () => {
  it('judges with the rights of the unit, and loads the real programs with them', async () => {
    const { code, about } = await judge('CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_KILL');
    expect(about('arming')).toMatchObject([{ severity: 'ok' }]);
    expect(about('BPF programs')).toMatchObject([{ severity: 'ok' }]);
    expect(about('rights').map(({ found, severity }) => [found, severity])).toEqual([
      ['no CAP_DAC_OVERRIDE', 'warning'],
      ['no CAP_SYS_RESOURCE', 'warning'],
      ['no CAP_SYS_NICE', 'warning'],
    ]);
    expect(code).toBe(0);
  });

  it('says that a unit cannot trace when root could', async () => {
    const { code, about } = await judge('CAP_PERFMON CAP_KILL');
    expect(about('privileges')).toMatchObject([{ severity: 'missing', found: 'no CAP_BPF' }]);
    expect(code).toBe(1);
  });

  it('asks for no right of a guard where the configuration has none', async () => {
    const config = join(directory, 'oomscope.toml');
    writeFileSync(config, '');
    const { about } = await judge(
      'CAP_BPF CAP_PERFMON CAP_SYS_PTRACE',
      `ExecStart=/bin/oomscope run --config ${config}`,
    );
    expect(about('rights')).toMatchObject([{ severity: 'ok' }]);
    expect(about('arming')).toEqual([]);
  });
});

describe.skipIf(!hasRights)('run --drop-capabilities', () => {
  const capabilitiesOf = (pid: number) =>
    new Set(
      readdirSync(`/proc/${pid}/task`).map((tid) => {
        const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1');
        return BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)?.[1]}`);
      }),
    );

  async function running(toml: string) {
    const config = join(directory, 'oomscope.toml');
    writeFileSync(config, toml);
    const words = ['--disable-sigusr1', MAIN, 'run', '--config', config, '--drop-capabilities'];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const end = ended(child);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until(() => said.includes('Press Ctrl-C'), 30_000);
    await until(() => capabilitiesOf(child.pid as number).size === 1);
    return { child, config, end, said: () => said, kept: [...capabilitiesOf(child.pid as number)] };
  }
  const mask = (...features: ('watching' | 'guarding' | 'arming')[]) => {
    const have = effectiveCapabilities();
    return capabilityMask(lastingCapabilities(new Set(features)).filter((name) => have.has(name)));
  };
  const guard = (arm: boolean) =>
    `[guard]\nmode = "enforce"\narm = ${arm}\n[[guard.rule]]\nname = "x"\nwhen = ["available < 1K"]\n`;

  it('keeps after its start only the capabilities that tracing needs, in every thread, and refuses a reload that needs more', async () => {
    const { child, config, end, said, kept } = await running('');
    expect(kept).toEqual([mask('watching')]);
    writeFileSync(config, guard(false));
    child.kill('SIGHUP');
    await until(() => said().includes('gave up after its start: restart it'));
    writeFileSync(config, '[output]\nformat = "text"\n');
    child.kill('SIGHUP');
    await until(() => said().includes('Reloaded'));
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });

  it.each([
    ['does not arm', false, mask('watching', 'guarding')],
    ['arms', true, mask('watching', 'guarding', 'arming')],
  ])('keeps what a guard needs that %s, and reloads', async (_, arm, expected) => {
    const { child, end, said, kept } = await running(guard(arm));
    expect(kept).toEqual([expected]);
    child.kill('SIGHUP');
    await until(() => said().includes('Reloaded'));
    expect(said()).not.toContain('cannot arm');
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });
});

it.skipIf(!hasRights)('a guard says at its start which rights over the processes of others it lacks', async () => {
  const rights = '-all,+bpf,+perfmon,+sys_ptrace,+kill';
  const command = ['setpriv', `--bounding-set=${rights}`, '--inh-caps=-all', process.execPath, MAIN];
  const guard = ['guard', '--enforce', '--when', 'available < 1K', '--duration', '200ms'];
  const { code, stderr } = await oomscope(guard, command);
  expect(stderr).toContain(
    "oomscope: runs without CAP_DAC_OVERRIDE: the oom_score_adj of other users' processes, and cgroups of other users, cannot be written\n",
  );
  expect(stderr).not.toContain('runs without CAP_KILL');
  expect(code).toBe(0);
});

it.skipIf(!hasRights)(
  'a guard of root without CAP_KILL goes on, and says that it can end only processes of root',
  async () => {
    const command = ['setpriv', '--bounding-set=-all,+bpf,+perfmon', '--inh-caps=-all', process.execPath, MAIN];
    const guard = ['guard', '--enforce', '--when', 'available < 1K', '--duration', '200ms'];
    const { code, stderr } = await oomscope(guard, command);
    expect(stderr).toContain('oomscope: runs without CAP_KILL: the guard can end only processes of uid 0\n');
    expect(code).toBe(0);
  },
);

it('the debugger of Node does not open on SIGUSR1', { timeout: 20_000 }, async () => {
  const config = join(directory, 'oomscope.toml');
  writeFileSync(config, '[trace]\nenabled = false\n[pressure]\nenabled = false\n[guard]\n');
  const child = spawn(process.execPath, [MAIN, 'run', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const end = ended(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await until(() => said.includes('Press Ctrl-C'), 15_000);
  child.kill('SIGUSR1');
  expect((await end).stderr).not.toContain('Debugger listening');
});
