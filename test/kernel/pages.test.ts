/** A small part of `npm run prove:pages`: which pages the profiles give about a healthy and a short workload. */
import { describe, expect, it } from 'vitest';
import { type Recorded, rules } from '../../scripts/prove/pages/rivals.ts';
import { watchWorkload } from '../../scripts/prove/pages/watch.ts';
import { type Workload, workloads } from '../../scripts/prove/pages/workloads.ts';

const workload = (name: string) => workloads.find((one) => one.name === name) as Workload;

describe('pages', () => {
  it('gives none about a healthy dd, in the profiles default and calm', async () => {
    const { pages } = await watchWorkload(workload('dd'), 8);
    expect(pages).toMatchObject({ default: [], calm: [] });
  });

  it('gives one about a leak, at least a second before the kill', async () => {
    const { pages, killAt } = await watchWorkload(workload('leak 50'), 60);
    expect(pages.default).toHaveLength(1);
    expect(pages.calm).toHaveLength(1);
    expect(killAt).toBeGreaterThan((pages.default?.[0] ?? Number.POSITIVE_INFINITY) + 1);
  });
});

describe('the rules of other programs', () => {
  const series = (of: (at: number) => Partial<Recorded>, seconds: number): Recorded[] =>
    Array.from({ length: seconds * 10 }, (_, i) => ({ at: i / 10, some: 0, full: 0, held: 0, ...of(i / 10) }));

  it('page after the time that they ask for, and again after the end of an episode', () => {
    expect(rules['systemd-oomd']?.(series(() => ({ full: 90 }), 29))).toEqual([]);
    expect(rules['systemd-oomd']?.(series(() => ({ full: 90 }), 60)).length).toBe(1);
    const waves = series((at) => ({ some: at % 20 < 10 ? 50 : 0 }), 60);
    expect(rules['psi-notify']?.(waves)).toHaveLength(3);
    expect(rules.nohang?.(series((at) => ({ held: at / 100 }), 100))).toEqual([95]);
  });
});
