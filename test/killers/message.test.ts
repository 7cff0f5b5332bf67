import { describe, expect, it } from 'vitest';
import { processKilledMessage } from '../../src/killers/message.ts';
import { signalName } from '../../src/killers/signal-name.ts';
import { noOwner } from '../../src/model/container.ts';
import type { KillAuthor, KilledProcess, KillSender, ProcessKilled } from '../../src/model/process-killed.ts';
import { renderEvent } from '../../src/render/terminal.ts';
import { processKillPasses } from '../../src/stream/filter-kills.ts';

const victim: KilledProcess = {
  ...{ pid: 12, start_ticks: 1, ppid: 9, parent_comm: 'sh', uid: 0, comm: 'postgres', exe: '/usr/bin/postgres' },
  ...{ cmdline: ['postgres'], cgroup: '/a/b', namespace_pid: 12, namespace_init: false, ...noOwner },
};
const sender = (given: Partial<KillSender> = {}): KillSender => ({
  ...{ pid: 611, start_ticks: 2, uid: 0, comm: 'systemd-oomd', exe: '/usr/lib/systemd/systemd-oomd', cmdline: null },
  ...{ login_uid: null, tty: null, cgroup: null, ancestors: [], ...noOwner, ...given },
});
const by = (given: Partial<KillAuthor>): KillAuthor => ({
  ...{ kind: 'process', name: 'x', means: 'signal', process: sender(), reason: null, unknown: null, ...given },
});
const say = (given: Partial<KillAuthor>, signal = 'SIGKILL') => processKilledMessage({ signal, victim, by: by(given) });

describe('the sentence about a kill', () => {
  it.each([
    [
      by({
        kind: 'early_killer',
        name: 'systemd-oomd',
        reason: { words: 'Killed /a due to pressure', source: 'journal' },
      }),
      'postgres (pid 12) was killed with SIGKILL by systemd-oomd (pid 611): Killed /a due to pressure.',
    ],
    [
      by({ kind: 'runtime', name: 'dockerd', process: sender({ comm: 'runc', exe: '/usr/sbin/runc' }) }),
      'postgres (pid 12) was killed with SIGKILL by dockerd, through runc (pid 611).',
    ],
    [
      by({
        kind: 'user',
        name: 'kill',
        process: sender({ comm: 'kill', exe: '/bin/kill', login_uid: 1000, tty: 'pts3' }),
      }),
      'postgres (pid 12) was killed with SIGKILL by user 1000 on pts3, as user 0, with kill (pid 611).',
    ],
    [
      by({ name: 'sh', means: 'cgroup_kill', process: sender({ pid: 9, comm: 'sh', exe: '/bin/sh' }) }),
      'postgres (pid 12) was killed with SIGKILL by sh (pid 9), its parent, through cgroup.kill.',
    ],
    [by({ kind: 'self' }), 'postgres (pid 12) was killed with SIGKILL by itself.'],
    [
      by({ kind: null, name: null, means: null, process: null, unknown: 'it was sent before' }),
      'postgres (pid 12) was killed with SIGKILL by an unknown sender: it was sent before.',
    ],
  ])('%#', (author, expected) => expect(say(author)).toBe(expected));

  it('escapes names that a process chose', () => {
    expect(say({ name: 'x', process: sender({ comm: '\u001b[2Jx', exe: null }) })).not.toContain('\u001b');
    const event = {
      ...{ type: 'process.killed', time: '2026-11-28T12:00:00.000000000Z', severity: 'info', message: 'm' },
      ...{ signal: 'SIGKILL', signal_to_end_ns: 7, victim: { ...victim, cmdline: ['\u001b]0;x'] } },
      by: by({ process: sender({ cmdline: ['\u202e'], ancestors: [{ pid: 1, comm: '\u001bx', uid: 0 }] }) }),
    } as unknown as ProcessKilled;
    expect(renderEvent(event, (_, text) => text)).toSatisfy(
      (text: string) => !text.includes('\u001b') && !text.includes('\u202e'),
    );
  });
});

it('names signals', () => {
  expect([9, 15, 6, 29, 34, 36].map(signalName)).toEqual([
    ...['SIGKILL', 'SIGTERM', 'SIGABRT', 'SIGIO', 'SIGRTMIN+0', 'SIGRTMIN+2'],
  ]);
});

it('filters deaths as it filters kills, and drops none whose cgroup is unknown', () => {
  const passes = (
    given: Partial<KilledProcess>,
    filter: { comms?: string[]; cgroups?: string[]; containers?: string[] },
  ) =>
    processKillPasses({ victim: { ...victim, ...given } } as ProcessKilled, {
      kinds: [],
      comms: [],
      cgroups: [],
      ...filter,
    });
  expect(passes({}, {})).toBe(true);
  expect(passes({}, { comms: ['post*'] })).toBe(true);
  expect(passes({}, { comms: ['web'] })).toBe(false);
  expect(passes({}, { cgroups: ['/a'] })).toBe(true);
  expect(passes({}, { cgroups: ['/b'] })).toBe(false);
  expect(passes({}, { containers: ['shop'] })).toBe(false);
  expect(passes({ cgroup: null }, { cgroups: ['/b'], containers: ['shop'] })).toBe(true);
});
