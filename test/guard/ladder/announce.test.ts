import { expect, test } from 'vitest';
import { EnvelopeFactory } from '../../../src/events/envelope.ts';
import { Announcer } from '../../../src/guard/ladder/announce.ts';
import { noOwner } from '../../../src/model/container.ts';
import type { Event } from '../../../src/model/events.ts';
import type { GuardTarget } from '../../../src/model/guard.ts';
import { schemaErrors } from '../../schema.ts';
import { rule } from '../rules/world.ts';

test.each([
  ['process', 'web (pid 7)'],
  ['process_group', 'web (pid 7) and its group of 3'],
  ['cgroup', 'the 3 processes of /shop'],
] as const)('a message names every process that a kill of a %s ends', (takes, named) => {
  const events: Event[] = [];
  const envelopes = new EnvelopeFactory();
  const stamp = {
    nowNs: () => 2n,
    envelope: (severity: Event['severity'], message: string) => envelopes.next(1n, 0n, severity, 'guard', message),
  };
  const target: GuardTarget = {
    ...{ takes, pid: 7, start_ticks: 70, pgid: 7, uid: 0, comm: 'web', cgroup: '/shop', ...noOwner },
    ...{ rss_bytes: 2 ** 20, swap_bytes: 0, oom_score_adj: 0, processes: 3 },
  };
  const plan = { id: 'p', fired: { rule: rule(), cgroup: undefined, readings: [] }, victim: target };
  new Announcer('enforce', stamp, (event) => events.push(event)).result(plan, 'abandoned');
  expect(events.map(({ message }) => message)).toEqual([`Gave up on ${named}: the guard is closing.`]);
  expect(events.flatMap(schemaErrors)).toEqual([]);
});
