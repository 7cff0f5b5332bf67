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

describe('a process is known exactly', () => {
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

  test('a program that others than root could have put there is not protected by its name, and that is said', () => {
    const { entries, idle } = plan(
      [subject({ exe: '/home/eve/postgres', exeTrusted: false })],
      [builtIn.find(({ name }) => name === 'postgresql') as Profile],
    );
    expect(entries).toEqual([]);
    expect(idle[0]?.reason).toContain('/home/eve/postgres, which others than root could have put there');
    expect(one({ exe: '/home/eve/firefox', exeTrusted: false })).toMatchObject({ action: 'change', after: 300 });
  });
});

describe('what is decided', () => {
  test('the built-in values', () => {
    const adjOf = (exe: string) => one({ exe })?.after;
    const programs = ['/usr/lib/postgresql/16/bin/postgres', '/usr/sbin/mysqld', '/usr/sbin/nginx', '/opt/chrome'];
    expect(programs.map(adjOf)).toEqual([-900, -600, -300, 300]);
    expect(one({ unit: 'dbus.service' })).toMatchObject({ profile: 'critical', before: 0, after: -900 });
  });

  test.each([
    ['init', { pid: 1, exe: '/usr/sbin/nginx' }, 'skip', 'init, which the kernel never kills'],
    ['a container', { container: 'docker 0123', exe: '/usr/sbin/nginx' }, 'skip', 'in docker 0123'],
    ['as it should be', { exe: '/usr/sbin/nginx', oomScoreAdj: -300 }, 'keep', 'as it is'],
    ['protected more', { exe: '/usr/sbin/nginx', oomScoreAdj: -999 }, 'keep', 'protected more already'],
    ['expendable more', { exe: '/opt/chrome', oomScoreAdj: 900 }, 'keep', 'expendable more already'],
    ['sshd’s listener', { exe: '/usr/sbin/sshd', oomScoreAdj: -1000 }, 'keep', 'protected more already'],
    ['sshd’s sessions', { exe: '/usr/sbin/sshd' }, 'skip', 'every login would inherit it'],
    [
      'sshd’s sessions, since 9.8',
      { exe: '/usr/lib/openssh/sshd-session', unit: 'ssh.service' },
      'skip',
      'every login',
    ],
  ] as const)('%s', (_, of, action, reason) => {
    const entry = one(of);
    expect(entry).toMatchObject({ action, before: entry?.subject.oomScoreAdj, after: entry?.before, warnings: [] });
    expect(entry?.reason).toContain(reason);
  });

  test('PostgreSQL: the postmaster, and none of its backends, which put themselves back to 0', () => {
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

  test('in containers only when asked', () => {
    expect(one({ container: 'pod x', exe: '/usr/sbin/nginx' }, builtIn, { inContainers: true })?.action).toBe('change');
  });

  test('a value that came from the parent is said to', () => {
    const parent = subject({ comm: 'runner', oomScoreAdj: -500 });
    const child = subject({ exe: '/opt/chrome', ppid: parent.pid, oomScoreAdj: -500 });
    expect(plan([parent, child], builtIn).entries[0]?.reason).toBe('expendable, was -500, inherited from runner');
  });
});

describe('warnings', () => {
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
  test('known by name alone', () => expect(codes({}, -500, 'comm')).toEqual(['by_name']));
  test('without the capability', () => expect(codes({}, -500, 'exe', false)).toEqual(['cannot_lower']));

  test('children inherit, two profiles want it', () => {
    const database = subject({ exe: '/usr/sbin/mysqld' });
    const helper = subject({ ppid: database.pid });
    const rival = profile({ name: 'rival', oomScoreAdj: 0, selectors: [{ by: 'exe', is: 'mysqld' }] });
    const { entries, idle } = plan([database, helper], [...builtIn, rival]);
    expect(entries[0]?.warnings.map(({ code }) => code)).toEqual(['inherited', 'contested']);
    expect(idle.find((each) => each.profile === 'rival')?.reason).toBe(
      'all that it matches is of profile database, which comes first',
    );
  });
});

describe('a profile that comes to nothing', () => {
  const reason = (is: string, by: 'comm' | 'unit' = 'comm', of: Partial<Subject> = {}) =>
    plan([subject(of)], [profile({ selectors: [{ by, is }] })], { kernelThreads: ['kswapd0'] }).idle[0]?.reason;
  test('nothing, and what may be meant', () => {
    expect(reason('postgrse', 'comm', { comm: 'postgres' })).toContain('Did you mean "postgres"?');
    expect(reason('other')).toBe('matches nothing that runs');
  });
  test('only init', () => expect(reason('init', 'comm', { pid: 1, comm: 'init' })).toContain('only init'));
  test('only the kernel’s own', () => expect(reason('kswapd0')).toContain("kernel's own thread kswapd0"));
  test('one that matches is not among them', () => expect(reason('some')).toBeUndefined());
});
