import { describe, expect, test } from 'vitest';
import { planProtection } from '../../src/protect/plan.ts';
import { builtIn, type Profile } from '../../src/protect/profile.ts';
import type { Subject } from '../../src/protect/subject.ts';

let lastPid = 100;
function subject(of: Partial<Subject> = {}): Subject {
  lastPid++;
  return {
    ...{ pid: lastPid, startTicks: lastPid, ppid: 1, uid: 0, comm: 'some', exe: '/usr/bin/some' },
    ...{ exeTrusted: true, cgroup: '/system.slice/some.service', unit: 'some.service', container: null },
    ...{ oomScoreAdj: 0, memoryPerMille: 1 },
    ...of,
  };
}
const profile = (of: Partial<Profile>): Profile => ({
  ...{ name: 'own', about: '', oomScoreAdj: -500, oomPolicy: null, selectors: [] },
  ...of,
});
const plan = (subjects: Subject[], profiles: readonly Profile[], options = {}) =>
  planProtection(subjects, profiles, { mayLower: true, ...options });
const one = (of: Partial<Subject>, profiles: readonly Profile[] = builtIn, options = {}) =>
  plan([subject(of)], profiles, options).entries[0];

describe('a selector matches a whole value, never a part of it', () => {
  const by = (kind: 'unit' | 'cgroup' | 'exe' | 'comm', is: string) =>
    profile({ oomScoreAdj: 300, selectors: [{ by: kind, is }] });

  test.each([
    ['comm', 'code', { comm: 'code' }, true],
    ['comm', 'code', { comm: 'postcode' }, false],
    ['comm', 'code', { comm: 'code2' }, false],
    ['exe', '/usr/bin/code', { exe: '/usr/bin/code' }, true],
    ['exe', '/usr/bin/code', { exe: '/opt/usr/bin/code' }, false],
    ['exe', 'code', { exe: '/opt/code' }, true],
    ['exe', 'code', { exe: '/opt/postcode' }, false],
    ['exe', 'code', { exe: null }, false],
    ['unit', 'a.service', { unit: 'a.service' }, true],
    ['unit', 'a.service', { unit: 'aa.service' }, false],
    ['unit', 'a.service', { unit: null }, false],
    ['cgroup', '/a', { cgroup: '/a' }, true],
    ['cgroup', '/a', { cgroup: '/a/b' }, true],
    ['cgroup', '/a', { cgroup: '/ab' }, false],
  ] as const)('%s %s, %o: %s', (kind, is, of, matched) => {
    expect(plan([subject(of)], [by(kind, is)]).entries.length).toBe(matched ? 1 : 0);
  });

  test('does not protect by its name a program that a user other than root could have put there', () => {
    const { entries, idle } = plan(
      [subject({ exe: '/home/eve/postgres', exeTrusted: false })],
      [builtIn.find(({ name }) => name === 'postgresql') as Profile],
    );
    expect(entries).toEqual([]);
    expect(idle[0]?.reason).toContain('/home/eve/postgres, which a user other than root could have put there');
    expect(one({ exe: '/home/eve/firefox', exeTrusted: false })).toMatchObject({ action: 'change', after: 300 });
  });
});

describe('a profile that protects by program', () => {
  const uids = new Map([['postgres', 70]]);
  const postgres = { exe: '/usr/lib/postgresql/15/bin/postgres', comm: 'postgres' };
  const profiles = [builtIn.find(({ name }) => name === 'postgresql') as Profile];
  const matched = (of: Partial<Subject>) => one({ ...postgres, ...of }, profiles, { uids })?.after;

  test('matches root, its user and its unit, in each instance', () => {
    expect(matched({ uid: 0, unit: null })).toBe(-900);
    expect(matched({ uid: 70, unit: null })).toBe(-900);
    expect(matched({ uid: 71, unit: 'postgresql.service' })).toBe(-900);
    expect(matched({ uid: 71, unit: 'postgresql@15-main.service' })).toBe(-900);
  });

  test('does not match the program that another user runs, who may have loaded code into it', () => {
    for (const unit of [null, 'session-3.scope', 'postgresql-backup.service', 'postgresql.service.d']) {
      expect(matched({ uid: 1000, unit })).toBeUndefined();
    }
    const { idle } = plan([subject({ ...postgres, uid: 1000, unit: null })], profiles, { uids });
    expect(idle[0]?.reason).toContain('of the user 1000, which is none that the profile names: any user can run it');
  });

  test('of a user that this machine does not have matches root only', () => {
    expect(one({ ...postgres, uid: 70, unit: null }, profiles)).toBeUndefined();
  });
});

describe('decides', () => {
  test('to give each built-in program its value', () => {
    const adjOf = (exe: string) => one({ exe })?.after;
    const programs = ['/usr/lib/postgresql/16/bin/postgres', '/usr/sbin/mysqld', '/usr/sbin/nginx', '/opt/chrome'];
    expect(programs.map(adjOf)).toEqual([-900, -600, -300, 300]);
    expect(one({ unit: 'dbus.service' })).toMatchObject({ profile: 'critical', before: 0, after: -900 });
  });

  test.each([
    ['to skip init', { pid: 1, exe: '/usr/sbin/nginx' }, 'skip', 'init, which the kernel never kills'],
    ['to skip a container', { container: 'docker 0123', exe: '/usr/sbin/nginx' }, 'skip', 'in docker 0123'],
    [
      'to keep the value of the profile',
      { exe: '/usr/sbin/nginx', oomScoreAdj: -300 },
      'keep',
      'already has this value',
    ],
    ['to keep a lower value', { exe: '/usr/sbin/nginx', oomScoreAdj: -999 }, 'keep', 'already has a lower value'],
    ['to keep a higher value', { exe: '/opt/chrome', oomScoreAdj: 900 }, 'keep', 'already has a higher value'],
    [
      'to keep that of sshd’s listener',
      { exe: '/usr/sbin/sshd', oomScoreAdj: -1000 },
      'keep',
      'already has a lower value',
    ],
    ['to skip sshd’s sessions', { exe: '/usr/sbin/sshd' }, 'skip', 'every login would inherit it'],
    [
      'to skip sshd’s sessions, since 9.8',
      { exe: '/usr/lib/openssh/sshd-session', unit: 'ssh.service' },
      'skip',
      'every login',
    ],
  ] as const)('%s', (_, of, action, reason) => {
    const entry = one(of);
    expect(entry).toMatchObject({ action, before: entry?.subject.oomScoreAdj, after: entry?.before, warnings: [] });
    expect(entry?.reason).toContain(reason);
  });

  test('to protect the postmaster of PostgreSQL but not its backends, which set themselves back to 0', () => {
    const exe = '/usr/lib/postgresql/16/bin/postgres';
    const postmaster = subject({ exe, comm: 'postgres' });
    const backend = subject({ exe, comm: 'postgres', ppid: postmaster.pid });
    const { entries } = plan([postmaster, backend], builtIn);
    expect(entries.map(({ action, after }) => [action, after])).toEqual([
      ['change', -900],
      ['skip', 0],
    ]);
    expect(entries[0]?.warnings[0]?.text).toContain('unless it was started with PG_OOM_ADJUST_FILE');
    expect(entries[1]?.reason).toBe(
      `a child of postgres (pid ${postmaster.pid}), which spares itself and not its children`,
    );
  });

  test('to change processes in containers only when asked', () => {
    expect(one({ container: 'pod x', exe: '/usr/sbin/nginx' }, builtIn, { inContainers: true })?.action).toBe('change');
  });

  test('and reports when a value was inherited from the parent', () => {
    const parent = subject({ comm: 'runner', oomScoreAdj: -500 });
    const child = subject({ exe: '/opt/chrome', ppid: parent.pid, oomScoreAdj: -500 });
    expect(plan([parent, child], builtIn).entries[0]?.reason).toBe('expendable, was -500, inherited from runner');
  });
});

describe('warns', () => {
  const codes = (of: Partial<Subject>, adj: number, by: 'comm' | 'exe' = 'exe', mayLower = true) => {
    const is = by === 'comm' ? 'some' : '/usr/bin/some';
    return one(of, [profile({ oomScoreAdj: adj, selectors: [{ by, is }] })], { mayLower })?.warnings.map((w) => w.code);
  };
  test.each([
    [{}, -500, []],
    [{}, -1000, ['unkillable']],
    [{ memoryPerMille: 412 }, -500, ['hog']],
    [{ memoryPerMille: 412 }, 500, []],
    [{ memoryPerMille: 412, oomScoreAdj: 800 }, 100, []],
  ] as const)('%o to %i', (of, adj, expected) => expect(codes(of, adj)).toEqual(expected));
  test('when a process is matched by its name alone', () => expect(codes({}, -500, 'comm')).toEqual(['by_name']));
  test('when the capability is missing', () => expect(codes({}, -500, 'exe', false)).toEqual(['cannot_lower']));

  test('when children inherit, and when two profiles match', () => {
    const database = subject({ exe: '/usr/sbin/mysqld' });
    const helper = subject({ ppid: database.pid });
    const rival = profile({ name: 'rival', oomScoreAdj: 0, selectors: [{ by: 'exe', is: 'mysqld' }] });
    const { entries, idle } = plan([database, helper], [...builtIn, rival]);
    expect(entries[0]?.warnings.map(({ code }) => code)).toEqual(['inherited', 'contested']);
    expect(idle.find((each) => each.profile === 'rival')?.reason).toBe(
      'everything that it matches belongs to profile database, which comes first',
    );
  });
});

describe('a profile that matches no process has a reason', () => {
  const reason = (is: string, by: 'comm' | 'unit' = 'comm', of: Partial<Subject> = {}) =>
    plan([subject(of)], [profile({ selectors: [{ by, is }] })], { kernelThreads: ['kswapd0'] }).idle[0]?.reason;
  test('no process has that name; the reason suggests a similar name', () => {
    expect(reason('postgrse', 'comm', { comm: 'postgres' })).toContain('Did you mean "postgres"?');
    expect(reason('other')).toBe('matches no running process');
  });
  test('it matches only init', () => expect(reason('init', 'comm', { pid: 1, comm: 'init' })).toContain('only init'));
  test('it matches only a kernel thread', () => expect(reason('kswapd0')).toContain("kernel's own thread kswapd0"));
  test('not when it matches a process', () => expect(reason('some')).toBeUndefined());
});
