/**
 * Drawn shortages in cgroups of this machine, beside a guard with the default rules: no innocent process is lost. The
 * proof `npm run prove:shortages` makes a hundred of them in guests.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawLayout } from '../../scripts/prove/shortages/layouts.ts';
import { rawDefaultRules } from '../../src/config/defaults.ts';
import { MAIN } from '../cli/cli.ts';
import { seeded } from '../seeded.ts';
import { buildActor } from './actors.ts';
import { cleanUp, configFile } from './guard-process.ts';
import { oomKillsUnavailable } from './memcg.ts';
import { isRight, makeShortage, type RunningGuard, startGuardProcess } from './shortage.ts';

/** Of these, every kind of innocent process and of eater is drawn. */
const SEEDS = (process.env.OOMSCOPE_SEEDS ?? '1,2,3,4,5,6').split(',').map(Number);

it('draws the same layout for the same seed, and leaves room for it', () => {
  expect(drawLayout(7, 'cgroup')).toEqual(drawLayout(7, 'cgroup'));
  const next = seeded(1);
  expect([next(), next()].every((value) => value >= 0 && value < 1)).toBe(true);
  for (let seed = 1; seed <= 200; seed++) {
    const { innocents, eaters, right } = drawLayout(seed, 'cgroup');
    expect(innocents.length).toBeGreaterThan(0);
    expect(eaters.length).toBe(right === 'eater ends' ? 1 : 0);
  }
});

/** The default rule for cgroups with a limit, but only for the groups of this test: others may be full as well. */
function tomlOf(glob: string): string {
  const rule = rawDefaultRules.find(({ on }) => on === 'limited');
  const steps = (rule?.steps ?? []).map((step) =>
    Object.entries(step).map(([name, value]) => `${name} = ${JSON.stringify(value)}`),
  );
  return `[guard]
mode = "enforce"
[[guard.rule]]
name = "${rule?.name}"
on = "${glob}"
when = ${JSON.stringify(rule?.when)}
rank = "${rule?.rank}"
steps = [${steps.map((step) => `{ ${step.join(', ')} }`).join(', ')}]
`;
}

describe.skipIf(oomKillsUnavailable())('a guard with the default rule for cgroups', () => {
  let guard: RunningGuard;
  beforeAll(async () => {
    buildActor();
    const file = configFile(tomlOf(`/*oomscope-${process.pid}-*`));
    guard = await startGuardProcess([process.execPath, MAIN, 'guard', '--json', '--config', file]);
  });
  afterAll(() => {
    guard.child.kill('SIGTERM');
    cleanUp();
  });

  it.each(SEEDS)('loses no innocent process in the shortage %d', async (seed) => {
    const shortage = await makeShortage(drawLayout(seed, 'cgroup'), guard);
    expect(isRight(shortage), JSON.stringify(shortage)).toBe(true);
  });
});
