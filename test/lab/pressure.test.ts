/** Pressure in a guest with cgroup v2, swap on zram and fentry hooks: our totals compared with the kernel's own. */

import { describe, expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import type { PressureRun } from './pressure.ts';
import { NODE } from './runs.ts';

describe('pressure in a guest', () => {
  test('Linux 6.12, by fentry: agrees with PSI for each cgroup and the system', { timeout: 300_000 }, async () => {
    const result = await bootGuest({
      kernel: '6.12',
      cgroup: 'v2',
      memoryMib: 768,
      swap: 'zram',
      swapMib: 256,
      limitSeconds: 240,
      command: [...NODE, 'test/lab/pressure.ts', '--seconds', '12'],
    });
    expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
    expect(result.stderr).toBe('');
    const run = JSON.parse(result.stdout) as PressureRun;
    expect(run.hooks.find(({ hook }) => hook === 'memstall_enter')?.backend).toBe('fentry');
    const at = (path: string) => run.compared.find((one) => one.path === path);
    for (const { path, some_ms, psi_some_ms, full_ms, psi_full_ms } of run.compared) {
      // A short run on emulated CPUs of a busy machine: within a tenth. `npm run lab` with test/lab/pressure.ts runs longer.
      expect.soft(Math.abs(some_ms - psi_some_ms), `some of ${path}`).toBeLessThan(0.1 * psi_some_ms + 20);
      expect.soft(Math.abs((full_ms ?? 0) - psi_full_ms), `full of ${path}`).toBeLessThan(0.15 * psi_full_ms + 40);
    }
    expect(at('/pressure/limit')?.stall_ns.memcg_limit).toBeGreaterThan(0);
    expect(at('/pressure/high')?.stall_ns.memcg_high).toBeGreaterThan(0);
    expect(at('/pressure/swap')?.stall_ns.memcg_limit).toBeGreaterThan(0);
    expect(run.levels).toContain('critical');
    expect(run.open_episodes).toBe(0);
    expect(run.lost).toEqual({});
  });
});
