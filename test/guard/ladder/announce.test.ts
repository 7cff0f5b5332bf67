import { expect, test } from 'vitest';
import { EnvelopeFactory } from '../../../src/events/envelope.ts';
import { Announcer } from '../../../src/guard/ladder/announce.ts';
import { noOwner } from '../../../src/model/container.ts';
import type { Event } from '../../../src/model/events.ts';
import type { GuardTarget } from '../../../src/model/guard.ts';
import { schemaErrors } from '../../schema.ts';
import { cgroup, rule } from '../rules/world.ts';

const target: GuardTarget = {
  ...{ takes: 'process', pid: 7, start_ticks: 70, pgid: 7, uid: 0, comm: 'web', cgroup: '/shop', ...noOwner },
  ...{ rss_bytes: 2 ** 20, swap_bytes: 0, oom_score_adj: 0, processes: 3 },
};

function announcer() {
  const events: Event[] = [];
  const envelopes = new EnvelopeFactory();
  const stamp = {
    nowNs: () => 2n,
    envelope: (severity: Event['severity'], message: string) => envelopes.next(1n, 0n, severity, 'guard', message),
  };
  const announce = new Announcer('enforce', stamp, (event) => {
    expect(schemaErrors(event)).toEqual([]);
    events.push(event);
  });
  return { announce, messages: () => events.map(({ message }) => message) };
}

const planFor = (victim: GuardTarget) => ({
  ...{ id: 'p', fired: { rule: rule(), cgroup: undefined, readings: [] }, victim },
});

test.each([
  ['process', 1, 'web (pid 7)'],
  ['process', 3, 'web (pid 7) and the 2 other processes of its pid namespace'],
  ['process_group', 3, 'web (pid 7) and its group of 3'],
  ['cgroup', 3, 'the 3 processes of /shop'],
] as const)('a message names every process that a kill of a %s ends (%i)', (takes, processes, named) => {
  const { announce, messages } = announcer();
  announce.result(planFor({ ...target, takes, processes }), 'abandoned');
  expect(messages()).toEqual([`Gave up on ${named}: the guard is closing.`]);
});

test('a message has no control characters, whatever the names of processes and cgroups are', () => {
  const { announce, messages } = announcer();
  const evil = 'a\x1b[2J\u202e\nb';
  const fired = { rule: rule(), cgroup: cgroup(`/${evil}`), readings: [] };
  const victim = { ...target, comm: evil };
  announce.skipped(fired, 'being_freed', `${evil} (pid 7) is dying and holds 8 bytes`);
  announce.skipped(fired, 'victim_changed', `${evil} (pid 7) has moved from /${evil} to /`);
  announce.plan({
    ...{ kind: 'kill', fired, ranking: { candidates: [], rejected: [] } },
    victim: { target: victim, members: [], score: 1, freesBytes: 1, base: 1, adjustments: [] },
  } as unknown as Parameters<Announcer['plan']>[0]);
  announce.action(planFor(victim), 'throttle', 'unavailable', `${evil} (pid 8) is in /${evil}`, 1n);
  announce.result(planFor({ ...victim, takes: 'cgroup', cgroup: `/${evil}` }), 'survived', {}, evil);
  for (const message of messages()) {
    expect(message).toContain('a\\x1b[2J\\u{202e}\\x0ab');
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
});
