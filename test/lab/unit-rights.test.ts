/**
 * The systemd unit's own capabilities are enough to trace, to arm, to signal, to restore and to reload. `npm run prove:rights` takes
 * every kernel of the lab, and leaves out each capability.
 */
import { describe, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import { parseKernelVersion } from '../../src/kernel-facts/version.ts';
import { capabilityMask } from '../../src/linux/capabilities.ts';
import { type Feature, lastingCapabilities, rightsFor } from '../../src/linux/rights.ts';
import { NODE } from './runs.ts';
import type { Rights } from './unit-rights.ts';

const features = new Set<Feature>(['watching', 'guarding', 'arming']);
const capabilities = rightsFor(features).map(({ capability }) => capability);

describe('oomscope run with the capabilities of its unit', () => {
  test.concurrent.for(['5.10', '6.12'])('Linux %s', { timeout: 300_000 }, async (kernel, { expect }) => {
    const command = [...NODE, 'test/lab/unit-rights.ts', capabilities.join(',')];
    const result = await bootGuest({ kernel, memoryMib: 768, limitSeconds: 290, command });
    expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
    expect(result.exitCode === 0 ? '' : result.stderr).toBe('');
    const rights = JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '{}') as Rights;
    const lasting = lastingCapabilities(features, parseKernelVersion(kernel));
    expect(rights).toMatchObject({
      raised: true,
      exe: expect.stringMatching(/build\/hog$/),
      killed: 'killed',
      kept: [capabilityMask(lasting).toString(16)],
      reloaded: true,
      after: 0,
      code: 0,
    });
    expect(rights.said.filter((line) => /cannot|refused|without|lacks/.test(line))).toEqual([]);
  });
});
