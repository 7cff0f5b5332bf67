import { expect, test } from 'vitest';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import type { Plan } from '../../src/guard/ladder/announce.ts';
import { rankCandidates } from '../../src/guard/rules/rank.ts';
import { Shadow } from '../../src/guard/shadow.ts';
import type { Event, OomKill } from '../../src/model/events.ts';
import { schemaErrors } from '../schema.ts';
import { cgroup, process_, rule, sample, self } from './rules/world.ts';

const at = cgroup('/shop');

/** A guard in shadow mode that would have killed process 7 in /shop half a second ago. */
function shadow() {
  const events: Event[] = [];
  const compared = new Shadow(new EnvelopeFactory(), (event) => events.push(event));
  const processes = [process_(7, { comm: 'leaker', cgroup: '/shop' })];
  const protection = { self, protect: [], cgroups: new Map(), stuck: new Set<string>() };
  const [victim] = rankCandidates(rule(), sample(0, { processes }), at, protection).candidates;
  if (!victim) throw new Error('unreachable');
  const plan: Plan = { id: 'p', fired: { rule: rule(), cgroup: at, readings: [] }, victim: victim.target };
  compared.planned(plan, { victim }, performance.now() - 500);
  const killed = (pid: number, path: string) => {
    const victimOf = { pid, comm: 'ki\x1b[31mlled', uid: 0, cgroup: path, unit: null, container: null, pod: null };
    compared.kernelKilled({ victim: victimOf, cgroups: [{ path }] } as unknown as OomKill);
    expect(events.flatMap(schemaErrors)).toEqual([]);
    return events.at(-1);
  };
  return { killed };
}

test('reports the same victim when the kernel has killed the victim of a plan', () => {
  const { killed } = shadow();
  const result = killed(7, '/shop');
  expect(result).toMatchObject({ outcome: 'same_victim', plan_id: 'p', kernel_victim: { pid: 7 } });
  expect(result?.message).toMatch(
    /^The kernel killed .*\(pid 7\); the guard would have killed it \d{3,} ms earlier\.$/,
  );
  // Each plan is compared only once.
  expect(killed(7, '/shop')).toMatchObject({ outcome: 'unforeseen', plan_id: null });
});

test('reports another victim when a rule had fired and the kernel has killed another process', () => {
  const result = shadow().killed(8, '/shop');
  expect(result).toMatchObject({
    outcome: 'other_victim',
    plan_id: 'p',
    target: { pid: 7 },
    kernel_victim: { pid: 8 },
  });
  expect(result?.message).toMatch(/the guard would have killed leaker \(pid 7\) \d{3,} ms earlier\.$/);
});

test('reports an unforeseen kill when the kernel has killed and no rule had fired', () => {
  const result = shadow().killed(8, '/elsewhere');
  expect(result).toMatchObject({ outcome: 'unforeseen', target: { pid: 8 }, lead_ns: null });
  expect(result?.message).not.toContain('\x1b');
  expect(result?.message).toMatch(/\(pid 8\); no rule had fired\.$/);
});
