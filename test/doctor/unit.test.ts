import { describe, expect, test } from 'vitest';
import { systemdUnit } from '../../src/config/import/systemd-unit.ts';
import { serviceSettings, unitRights } from '../../src/doctor/unit.ts';
import { type Feature, rightsFor } from '../../src/linux/rights.ts';

const capabilitiesOf = (...lines: string[]) =>
  unitRights(serviceSettings(['[Unit]', 'User=nobody', '[Service]', ...lines].join('\n')) ?? new Map()).capabilities;

describe('the capabilities that a unit gives its service', () => {
  test('are those of the bounding set for root, and the ambient ones for another user', () => {
    expect(capabilitiesOf('CapabilityBoundingSet=CAP_BPF cap_kill')).toEqual(['CAP_KILL', 'CAP_BPF']);
    expect(capabilitiesOf('User=oomscope', 'CapabilityBoundingSet=CAP_BPF CAP_KILL')).toEqual([]);
    expect(capabilitiesOf('DynamicUser=yes', 'AmbientCapabilities=CAP_KILL CAP_IPC_LOCK')).toEqual([
      'CAP_KILL',
      'CAP_IPC_LOCK',
    ]);
  });

  test('are the ambient ones where root has no rights of its own (noroot)', () => {
    expect(capabilitiesOf('SecureBits=noroot noroot-locked', 'AmbientCapabilities=CAP_BPF')).toEqual(['CAP_BPF']);
  });

  test('lines are combined, an empty line begins anew, "~" removes, a backslash continues a line', () => {
    const bounding = (...values: string[]) =>
      capabilitiesOf(...values.map((value) => `CapabilityBoundingSet=${value}`));
    expect(bounding('CAP_BPF', 'CAP_KILL')).toEqual(['CAP_BPF', 'CAP_KILL']);
    expect(bounding('CAP_BPF', '', 'CAP_KILL')).toEqual(['CAP_KILL']);
    expect(bounding('CAP_BPF \\\n CAP_KILL')).toEqual(['CAP_KILL', 'CAP_BPF']);
    expect(bounding('~CAP_BPF')).toContain('CAP_SYS_ADMIN');
    expect(bounding('~CAP_BPF')).not.toContain('CAP_BPF');
    expect(capabilitiesOf()).toContain('CAP_SYS_ADMIN');
  });

  test('a unit of oomscope gives what its features need', () => {
    const features = new Set<Feature>(['watching', 'guarding', 'arming']);
    const unit = systemdUnit({
      command: ['/usr/bin/node', '/main.js', 'run', '--config', '/etc/oomscope.toml'],
      ...{ features, network: false, ports: [], realtimePriority: 1, writes: [] },
    });
    const { capabilities, config } = unitRights(serviceSettings(unit) ?? new Map());
    expect(capabilities.sort()).toEqual(
      rightsFor(features)
        .map(({ capability }) => capability)
        .sort(),
    );
    expect(config).toBe('/etc/oomscope.toml');
  });

  test('of several configurations, the first that exists is the one of the unit', () => {
    const configOf = (...files: string[]) => {
      const unit = `[Service]\nExecStart=/bin/oomscope run ${files.map((file) => `--config ${file}`).join(' ')}\n`;
      return unitRights(serviceSettings(unit) ?? new Map()).config;
    };
    expect(configOf('/nowhere/a.toml', import.meta.filename, '/dev/null')).toBe(import.meta.filename);
    expect(configOf('/nowhere/a.toml', '/nowhere/b.toml')).toBe('/nowhere/b.toml');
    expect(configOf()).toBeUndefined();
  });

  test('a text without [Service] is no unit of a service', () => {
    expect(serviceSettings('[Timer]\nOnBootSec=1\n')).toBeUndefined();
  });
});
