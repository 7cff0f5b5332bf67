/** Runs `oomscope doctor` on a machine with bad settings: a guest, because sysctls apply to the whole kernel. */

import { expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import type { Diagnosis } from '../../src/doctor/diagnose.ts';

const script = [
  'echo 2 > /proc/sys/vm/panic_on_oom',
  'echo 2 > /proc/sys/vm/overcommit_memory',
  'echo 90 > /proc/sys/vm/overcommit_ratio', // otherwise Node itself cannot start
  'echo 1 > /proc/sys/kernel/dmesg_restrict',
  'echo 0 > /proc/sys/vm/oom_dump_tasks',
  'node dist/cli/main.js doctor --json --fail-on critical',
].join('; ');

test('finds and explains each bad setting of a guest', { timeout: 300_000 }, async () => {
  const result = await bootGuest({ kernel: '6.12', cgroup: 'v2', memoryMib: 2048, command: ['sh', '-c', script] });
  expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
  expect(result.stderr).toBe('');
  const { findings, can_trace, worst } = JSON.parse(result.stdout) as Diagnosis;
  expect({ can_trace, worst, exit: result.exitCode }).toEqual({ can_trace: true, worst: 'critical', exit: 1 });
  const severity = (name: string) => findings.find((finding) => finding.name === name)?.severity;
  expect(severity('vm.panic_on_oom')).toBe('critical');
  expect(['warning', 'critical']).toContain(severity('vm.overcommit_memory'));
  expect(severity('vm.oom_dump_tasks')).toBe('warning');
  expect(severity('kernel.dmesg_restrict')).toBe('info');
  expect(severity('swap')).toBe('warning');
  expect(severity('groups')).toBe('info');
  expect(findings.filter((finding) => finding.severity === 'missing')).toEqual([]);
});
