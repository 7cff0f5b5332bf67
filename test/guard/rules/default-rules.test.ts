/** The default rules against memory that is filled at a steady rate. */
import { expect, it } from 'vitest';
import { readGuard } from '../../../src/config/guard.ts';
import { Detectors } from '../../../src/guard/rules/detect.ts';
import { MIB, sample, system } from './world.ts';

const rules = readGuard({}).guard?.policy.rules ?? [];
const TOTAL = 480 * MIB;
const ANON = 50 * MIB;

/**
 * Fills the memory of a small machine with shared memory, from 200 MiB available until none is left. @returns how many
 * MiB are available when the first rule fires
 */
function leftWhenFired(mibPerSecond: number, stopsAtMib = 0): number | undefined {
  const detectors = new Detectors(rules);
  for (let ms = 0, left = 200 * MIB; left > 0 && ms < 60_000; ms += 10) {
    const grows = left > stopsAtMib * MIB;
    if (grows) left -= (mibPerSecond / 100) * MIB;
    const state = system({
      ...{ total_bytes: TOTAL, available_bytes: left, anon_bytes: ANON },
      growth_bytes_per_second: grows ? mibPerSecond * MIB : 0,
    });
    if (detectors.update(sample(ms, { system: state })).length > 0) return left / MIB;
  }
  return undefined;
}

it('fires before a fast leak of shared memory has taken what the kernel needs', () => {
  // The kernel killed with 7 MiB available. 10 % of MemAvailable + AnonPages were 6 MiB.
  for (const rate of [8, 10, 20, 50, 139, 300]) expect(leftWhenFired(rate)).toBeGreaterThan(15);
});

it('fires no earlier than with 5 % of the memory left, or two seconds before none is left', () => {
  for (const rate of [8, 10, 20, 50, 139, 300]) expect(leftWhenFired(rate)).toBeLessThanOrEqual(Math.min(24, 2 * rate));
});

it('does not fire where memory is filled fast but 6 % stay, or slowly until 3 % stay', () => {
  expect(leftWhenFired(400, 30)).toBeUndefined();
  expect(leftWhenFired(5, 14)).toBeUndefined();
});
