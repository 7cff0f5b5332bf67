/** Compares our pressure totals with the kernel's PSI, in a guest with cgroup v2, swap on zram and fentry hooks. */

import { describe, expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import type { Compared, PressureRun } from './pressure.ts';
import { NODE } from './runs.ts';

/**
 * Number of attempts. The clock of the guest jumps while the host runs other processes: then oomscope and the kernel
 * may read it at different moments, and their totals differ. One run in which all totals agree shows that the
 * accounting is right.
 */
const ATTEMPTS = 3;

async function measure(): Promise<PressureRun> {
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
  return JSON.parse(result.stdout) as PressureRun;
}

/** @returns a sentence if our totals differ from PSI by more than a tenth. test/lab/pressure.ts can run longer. */
function difference({ path, some_ms, psi_some_ms, full_ms, psi_full_ms }: Compared): string[] {
  const some = Math.abs(some_ms - psi_some_ms) < 0.1 * psi_some_ms + 20;
  const full = Math.abs((full_ms ?? 0) - psi_full_ms) < 0.15 * psi_full_ms + 40;
  if (some && full) return [];
  return [`${path}: some ${some_ms} ms, by PSI ${psi_some_ms}; full ${full_ms} ms, by PSI ${psi_full_ms}`];
}

describe('pressure in a guest', () => {
  test('Linux 6.12, by fentry: agrees with PSI for each cgroup and the system', { timeout: 900_000 }, async () => {
    let run = await measure();
    let differences = run.compared.flatMap(difference);
    for (let attempt = 1; attempt < ATTEMPTS && differences.length > 0; attempt++) {
      run = await measure();
      differences = run.compared.flatMap(difference);
    }
    expect(differences).toEqual([]);
    expect(run.compared.length).toBeGreaterThan(0);
    expect(run.hooks.find(({ hook }) => hook === 'memstall_enter')?.backend).toBe('fentry');
    const at = (path: string) => run.compared.find((one) => one.path === path);
    expect(at('/pressure/limit')?.stall_ns.memcg_limit).toBeGreaterThan(0);
    expect(at('/pressure/high')?.stall_ns.memcg_high).toBeGreaterThan(0);
    expect(at('/pressure/swap')?.stall_ns.memcg_limit).toBeGreaterThan(0);
    expect(run.levels).toContain('critical');
    expect(run.open_episodes).toBe(0);
    expect(run.lost).toEqual({});
  });
});
