import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { sparesItsGroup } from '../../../src/guard/rules/protect.ts';
import { rankCandidates } from '../../../src/guard/rules/rank.ts';
import type { Match, Rule } from '../../../src/guard/rules/rule.ts';
import type { SampledProcess } from '../../../src/model/sample.ts';
import { cgroup, comm, GIB, MIB, process_, rule, sample, self } from './world.ts';

interface World {
  rule?: Partial<Rule>;
  processes: SampledProcess[];
  cgroups?: ReturnType<typeof cgroup>[];
  at?: ReturnType<typeof cgroup>;
  protect?: Match[];
  stuck?: string[];
}

function ranked({ rule: given = {}, processes, cgroups = [], at, protect = [], stuck = [] }: World) {
  const all = at ? [...cgroups, at] : cgroups;
  return rankCandidates(rule(given), sample(0, { processes, cgroups: all }), at, {
    self,
    protect,
    cgroups: new Map(all.map((one) => [one.path, one])),
    stuck: new Set(stuck),
  });
}

const order = (world: World) => ranked(world).candidates.map(({ target }) => target.pid);

describe('ranks', () => {
  const big = process_(1001, { rss_bytes: 300 * MIB });
  const swapped = process_(1002, { rss_bytes: 10 * MIB, swap_bytes: 400 * MIB });
  const marked = process_(1003, { rss_bytes: 20 * MIB, oom_score_adj: 500, oom_score: 900 });
  const growing = process_(1004, { rss_bytes: 30 * MIB, growth_bytes_per_second: 10 * MIB });
  const waiting = process_(1005, { rss_bytes: 5 * MIB, cgroup: '/slow' });
  const processes = [waiting, growing, marked, swapped, big];
  const slow = cgroup('/slow', {
    pressure: { some: { avg10: 9, avg60: 0, avg300: 0 }, full: { avg10: 60, avg60: 0, avg300: 0 } },
  });
  const first = (given: Partial<Rule>) => order({ rule: given, processes, cgroups: [slow] })[0];

  it('by badness, as the kernel does: RSS, swap and page tables, and oom_score_adj in thousandths', () => {
    const { candidates } = ranked({ processes });
    expect(candidates.map(({ target, score }) => [target.pid, score])).toEqual([
      [1003, 519.5], // 500 + 1000 * 20 MiB / 1 GiB
      [1002, 400.4],
      [1001, 293],
      [1004, 29.3],
      [1005, 4.9],
    ]);
  });
  it('by /proc/PID/oom_score', () => expect(first({ rank: 'oom_score' })).toBe(1003));
  it('by RSS', () => expect(first({ rank: 'rss' })).toBe(1001));
  it('by swap', () => expect(first({ rank: 'swap' })).toBe(1002));
  it('by growth', () => expect(first({ rank: 'growth' })).toBe(1004));
  it('by the pressure in its cgroup', () => expect(first({ rank: 'pressure' })).toBe(1005));
  it('with a positive oom_score_adj ignored, if the rule says so', () =>
    expect(first({ ignorePositiveAdj: true })).toBe(1002));
  it('only processes of the cgroup where memory is short, in thousandths of its limit', () => {
    const at = cgroup('/slow', { limit_bytes: 10 * MIB });
    const inside = process_(1006, { cgroup: '/slow/deeper', rss_bytes: MIB });
    const beside = process_(1007, { cgroup: '/slower' });
    const { candidates } = ranked({ processes: [...processes, inside, beside], at });
    expect(candidates.map(({ target, score }) => [target.pid, score])).toEqual([
      [1005, 500],
      [1006, 100],
    ]);
  });
  it('candidates with equal scores by size, then by the higher pid', () => {
    const [a, b, c] = [2001, 2002, 2003].map((pid) => process_(pid, { oom_score: 5 })) as [
      SampledProcess,
      ...SampledProcess[],
    ];
    expect(
      order({
        rule: { rank: 'oom_score' },
        processes: [c as SampledProcess, a, { ...b, rss_bytes: GIB } as SampledProcess],
      }),
    ).toEqual([2002, 2003, 2001]);
  });
});

test('adds the points of `prefer` and `avoid`, and names each preference', () => {
  const processes = [process_(1001, { comm: 'chrome' }), process_(1002, { comm: 'sshd', rss_bytes: 200 * MIB })];
  const preferences = [
    { match: comm('^chrome$'), points: 300 },
    { match: comm('^sshd$'), points: -300 },
  ];
  const { candidates } = ranked({ rule: { preferences }, processes });
  expect(candidates.map(({ target, base, score, adjusted_by }) => [target.comm, base, score, adjusted_by])).toEqual([
    ['chrome', 97.7, 397.7, ['prefer comm ^chrome$ +300']],
    ['sshd', 195.3, -104.7, ['avoid comm ^sshd$ -300']],
  ]);
});

describe('rejects, with the reason', () => {
  const omitted = cgroup('/a/left', { preference: 'omit' });
  it.each<[string, SampledProcess, string, Partial<World>]>([
    ['init', process_(1), 'init', {}],
    ['a kernel thread', process_(50, { kernel_thread: true }), 'kernel_thread', {}],
    ['the guard', process_(self.pid), 'self', {}],
    ['the shell that started the guard', process_(400), 'ancestor', {}],
    ['oom_score_adj -1000', process_(1001, { oom_score_adj: -1000 }), 'spared', {}],
    ['the protection list', process_(1001, { comm: 'sshd' }), 'protected', { protect: [comm('^sshd$')] }],
    ['a rule that says never', process_(1001), 'never', { rule: { never: [comm('process')] } }],
    ['user.oomd_omit', process_(1001, { cgroup: '/a/left/deeper' }), 'omitted', { cgroups: [omitted] }],
    ['a dying process', process_(1001, { dying: true }), 'dying', {}],
    ['a zombie', process_(1001, { state: 'Z' }), 'dying', {}],
    ['a process that survived an earlier attempt', process_(1001), 'stuck', { stuck: ['1001:10010'] }],
    ['a process below minBytes', process_(1001, { rss_bytes: 5 * MIB }), 'too_small', { rule: { minBytes: 16 * MIB } }],
    ['a process below minPoints', process_(1001), 'too_small', { rule: { minPoints: 500 } }],
  ])('%s', (_, process, reason, world) => {
    const { candidates, rejected } = ranked({ processes: [{ ...process, cgroup: process.cgroup ?? '/a' }], ...world });
    expect(candidates).toEqual([]);
    expect(rejected).toMatchObject([{ pid: process.pid, comm: process.comm, reason }]);
    if (['protected', 'never', 'omitted', 'spared'].includes(reason)) expect(rejected[0]?.detail).toBeTruthy();
  });
  it('not a process that reuses the pid of a stuck process', () => {
    expect(order({ processes: [process_(1001)], stuck: ['1001:7'] })).toEqual([1001]);
  });
});

describe('user.oomd_avoid', () => {
  it('ranks the processes of a cgroup after all others', () => {
    const processes = [
      process_(1001, { cgroup: '/careful/x', rss_bytes: 900 * MIB }),
      process_(1002, { rss_bytes: 20 * MIB }),
    ];
    const { candidates } = ranked({ processes, cgroups: [cgroup('/careful', { preference: 'avoid' })] });
    expect(candidates.map(({ target }) => target.pid)).toEqual([1002, 1001]);
    expect(candidates[1]?.adjusted_by).toEqual(['user.oomd_avoid on /careful -1000']);
  });
});

describe('kills as a unit', () => {
  const group = [
    process_(1001, { pgid: 1001, rss_bytes: 50 * MIB }),
    process_(1002, { pgid: 1001, rss_bytes: 80 * MIB }),
    process_(1003, { rss_bytes: 100 * MIB }),
  ];
  it('a process group, with the score of all its processes and the name of the largest', () => {
    const { candidates } = ranked({ rule: { unit: 'process_group' }, processes: group });
    expect(candidates[0]).toMatchObject({ target: { takes: 'process_group', pid: 1002, processes: 2 }, score: 127 });
  });
  it('no process group that contains a process which must not be killed', () => {
    const processes = [...group, process_(self.pid, { pgid: 1001 })];
    const { candidates, rejected } = ranked({ rule: { unit: 'process_group' }, processes });
    expect(candidates.map(({ target }) => target.pid)).toEqual([1003]);
    expect(rejected.find(({ pid }) => pid === 1002)).toMatchObject({ reason: 'holds_protected' });
  });
  it('a cgroup with all its descendants', () => {
    const processes = [
      process_(1001, { cgroup: '/app', rss_bytes: 60 * MIB }),
      process_(1002, { cgroup: '/app/worker', rss_bytes: 60 * MIB }),
      process_(1003, { cgroup: '/root-less' }),
    ];
    const { candidates } = ranked({ rule: { unit: 'cgroup' }, processes });
    expect(candidates[0]).toMatchObject({ target: { takes: 'cgroup', cgroup: '/app', processes: 2 } });
  });
  it('never the root cgroup', () => {
    const { candidates } = ranked({ rule: { unit: 'cgroup' }, processes: [process_(1001, { cgroup: '/' })] });
    expect(candidates).toMatchObject([{ target: { takes: 'process' } }]);
  });
  it('the topmost cgroup with memory.oom.group, as the kernel would', () => {
    const cgroups = [cgroup('/pod', { oom_group: true }), cgroup('/pod/a', { oom_group: true })];
    const processes = [process_(1001, { cgroup: '/pod/a' }), process_(1002, { cgroup: '/pod/b' })];
    expect(ranked({ processes, cgroups }).candidates).toMatchObject([
      { target: { takes: 'cgroup', cgroup: '/pod', processes: 2 } },
    ]);
    expect(ranked({ processes, cgroups, rule: { honourOomGroup: false } }).candidates).toHaveLength(2);
  });
});

test('never chooses a process that must not be killed, and lists every process as a candidate or as rejected', () => {
  const anyProcess = fc.record({
    pid: fc.integer({ min: 1, max: 12 }),
    pgid: fc.integer({ min: 1, max: 4 }),
    cgroup: fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/d', null),
    kernel_thread: fc.boolean(),
    dying: fc.boolean(),
    oom_score_adj: fc.constantFrom(-1000, -5, 0, 1000),
    rss_bytes: fc.integer({ min: 0, max: GIB }),
    comm: fc.constantFrom('sshd', 'x'),
  });
  const world = fc.record({
    processes: fc.uniqueArray(anyProcess, { selector: ({ pid }) => pid, maxLength: 12 }),
    unit: fc.constantFrom('process', 'process_group', 'cgroup'),
    oomGroup: fc.boolean(),
    subject: fc.constantFrom('/a', '/a/b', undefined),
  });
  fc.assert(
    fc.property(world, ({ processes: given, unit, oomGroup, subject }) => {
      const processes = given.map(({ pid, ...rest }) => process_(pid, rest));
      const cgroups = [cgroup('/a/b', { oom_group: oomGroup }), cgroup('/d')];
      const at = subject === undefined ? undefined : cgroup(subject);
      const me = { pid: 2, ancestors: new Set([3]) };
      const protection = { self: me, protect: [comm('^sshd$')], stuck: new Set<string>() };
      const { candidates, rejected } = rankCandidates(rule({ unit }), sample(0, { processes, cgroups }), at, {
        ...protection,
        cgroups: new Map(cgroups.map((one) => [one.path, one])),
      });
      const doomed = candidates.flatMap(({ members }) => members);
      for (const { pid, kernel_thread, oom_score_adj, comm: name, dying } of doomed) {
        expect(pid).toBeGreaterThan(3);
        expect({ kernel_thread, dying, name, spared: oom_score_adj === -1000 }).toEqual({
          kernel_thread: false,
          dying: false,
          name: 'x',
          spared: false,
        });
      }
      // A cgroup that is killed must contain no protected process, because cgroup.kill kills all processes in it.
      const refused = rejected.filter(({ reason }) => sparesItsGroup(reason)).map(({ pid }) => pid);
      for (const { target } of candidates.filter(({ target: { takes: what } }) => what === 'cgroup')) {
        const inside = processes.filter(
          ({ cgroup: path }) => path === target.cgroup || path?.startsWith(`${target.cgroup}/`),
        );
        expect(inside.filter(({ pid }) => refused.includes(pid))).toEqual([]);
      }
      const accounted = new Set([...doomed.map(({ pid }) => pid), ...rejected.map(({ pid }) => pid)]);
      const asked = processes.filter(
        ({ cgroup: path }) => subject === undefined || path === subject || path?.startsWith(`${subject}/`),
      );
      for (const { pid } of asked) expect(accounted.has(pid)).toBe(true);
      const scores = candidates.map(({ score }) => score);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
    }),
  );
});

test('projected: counts what a growing process will hold in half a minute', () => {
  const database = process_(1001, { rss_bytes: 500 * MIB });
  const leak = process_(1002, { rss_bytes: 200 * MIB, growth_bytes_per_second: 20 * MIB });
  const shrinks = process_(1003, { rss_bytes: 100 * MIB, growth_bytes_per_second: -40 * MIB });
  const processes = [database, leak, shrinks];
  expect(order({ rule: { rank: 'badness' }, processes })).toEqual([1001, 1002, 1003]);
  const { candidates } = ranked({ rule: { rank: 'projected' }, processes });
  expect(candidates.map(({ target, score }) => [target.pid, score])).toEqual([
    [1002, 781.3], // 200 MiB and thirty times 20 MiB, of 1 GiB
    [1001, 488.3],
    [1003, 97.7], // a shrinking process counts as it is now
  ]);
});

describe('a child of a large process', () => {
  const UPTIME = 1000;
  const young = UPTIME * 100 - 10; // a tenth of a second old
  const database = process_(1001, {
    rss_bytes: 300 * MIB,
    start_ticks: 100,
    stack_start: 7,
    growth_bytes_per_second: 0,
  });
  const child = process_(1002, { ppid: 1001, rss_bytes: 301 * MIB, start_ticks: young, stack_start: 7 });
  const leak = process_(1003, {
    rss_bytes: 200 * MIB,
    start_ticks: 100,
    stack_start: 8,
    growth_bytes_per_second: 20 * MIB,
  });
  const first = (processes: SampledProcess[], given: Partial<Rule> = {}) => {
    const now = sample(0, { processes, uptime_seconds: UPTIME });
    const protection = { self, protect: [], cgroups: new Map(), stuck: new Set<string>() };
    return rankCandidates(rule({ rank: 'projected', ...given }), now, undefined, protection).candidates[0]?.target.pid;
  };

  it('does not count as growing by the memory that it got by fork(2)', () => {
    expect(first([database, child, leak])).toBe(1003);
    expect(first([database, child, leak], { rank: 'growth' })).toBe(1003);
    const takes = process_(1004, { ...child, pid: 1004, rss_bytes: 360 * MIB }); // 60 MiB of its own in 0.1 s
    expect(first([database, takes, leak])).toBe(1004);
  });

  it('is recognized also when the process between the two has exited, and when its image is unknown', () => {
    expect(first([database, { ...child, ppid: 1 }, leak])).toBe(1003);
    const { stack_start: _, ...unknown } = child;
    expect(first([database, unknown, leak])).toBe(1003);
  });

  it('counts with all of its memory after execve(2)', () => {
    expect(first([database, { ...child, stack_start: 9 }, leak])).toBe(1002);
  });

  it('is not chosen while its parent waits for it in vfork(2)', () => {
    const waits = { ...database, state: 'D', page_tables_bytes: 4096 };
    const uses = { ...child, rss_bytes: 300 * MIB, page_tables_bytes: 4096 };
    const { candidates, rejected } = ranked({ rule: { rank: 'rss' }, processes: [waits, uses] });
    expect(candidates.map(({ target }) => target.pid)).toEqual([1001]);
    expect(rejected).toMatchObject([{ pid: 1002, reason: 'shared', detail: expect.stringContaining('pid 1001') }]);
  });
});

describe('process 1 of a pid namespace', () => {
  const init = process_(1001, { pid_namespace: { id: 'a', init: true } });
  const inside = process_(1002, { pid_namespace: { id: 'a', init: false }, rss_bytes: MIB });
  const nested = process_(1003, { ppid: 1002, pid_namespace: { id: 'b', init: true }, rss_bytes: MIB });
  const deepest = process_(1004, { pid_namespace: { id: 'b', init: false }, rss_bytes: MIB });
  const other = process_(1005, { pid_namespace: { id: 'c', init: false } });
  const sized = { minBytes: 16 * MIB };

  it('is counted with all processes that end with it', () => {
    const { candidates } = ranked({ rule: sized, processes: [init, inside, other] });
    expect(candidates.map(({ target }) => [target.pid, target.processes])).toEqual([
      [1005, 1],
      [1001, 2],
    ]);
  });

  it('is not taken for the one of another namespace whose id is unknown', () => {
    const unknown = (of: SampledProcess) => ({ ...of, pid_namespace: { id: '', init: of === init } });
    const [known, child, stranger] = [unknown(init), unknown({ ...inside, ppid: 1001 }), unknown(other)];
    const processes = [known, child, { ...stranger, oom_score_adj: -1000 }];
    expect(ranked({ rule: sized, processes }).candidates.map(({ target }) => [target.pid, target.processes])).toEqual([
      [1001, 2],
    ]);
  });

  it('is not chosen when a protected process would end with it', () => {
    const { rejected } = ranked({ rule: sized, processes: [init, { ...inside, oom_score_adj: -1000 }] });
    expect(rejected).toMatchObject([
      { pid: 1001, reason: 'holds_protected' },
      { pid: 1002, reason: 'spared' },
    ]);
    const deep = [init, inside, nested, { ...deepest, oom_score_adj: -1000 }];
    expect(order({ rule: sized, processes: deep })).toEqual([]);
  });
});

describe('a storm', () => {
  const UPTIME = 1000;
  const ticks = (secondsAgo: number) => Math.round((UPTIME - secondsAgo) * 100);
  const storm = (count: number, given: (i: number) => Partial<SampledProcess> = () => ({})) =>
    Array.from({ length: count }, (_, i) =>
      process_(2000 + i, { pgid: 2000, rss_bytes: 8 * MIB, start_ticks: ticks(5 - i / 10), ...given(i) }),
    );
  const innocent = process_(1001, { rss_bytes: 40 * MIB, start_ticks: ticks(900) });
  const first = (processes: SampledProcess[], given: Partial<Rule> = {}, aged = true) => {
    const now = sample(0, { processes, ...(aged && { uptime_seconds: UPTIME }) });
    const protection = { self, protect: [comm('^precious$')], cgroups: new Map(), stuck: new Set<string>() };
    return rankCandidates(rule({ minBytes: 16 * MIB, ...given }), now, undefined, protection).candidates[0];
  };

  it('is one candidate: many young processes of one group, none much larger than the others', () => {
    const found = first([innocent, ...storm(12)]);
    expect(found?.target).toMatchObject({ takes: 'process_group', pid: 2000, processes: 12, rss_bytes: 96 * MIB });
    expect(found?.members.map(({ pid }) => pid)).toEqual(Array.from({ length: 12 }, (_, i) => 2000 + i)); // the oldest first
  });

  it('may be slow, as long as new processes come', () => {
    const found = first([innocent, ...storm(14, (i) => ({ start_ticks: ticks(28 - 2 * i) }))]);
    expect(found?.target).toMatchObject({ takes: 'process_group', pid: 2000, processes: 14 });
  });

  it('needs enough processes, a known and low age, and no process that holds most of the memory', () => {
    expect(first([innocent, ...storm(9)])?.target.pid).toBe(1001);
    expect(first([innocent, ...storm(30, (i) => (i < 25 ? { start_ticks: ticks(60) } : {}))])?.target.pid).toBe(1001);
    // all of an age: a service that has started its workers
    expect(first([innocent, ...storm(30, () => ({ start_ticks: ticks(20) }))])?.target.pid).toBe(1001);
    expect(first([innocent, ...storm(12, (i) => (i === 3 ? { rss_bytes: 64 * MIB } : {}))])?.target).toMatchObject({
      takes: 'process',
      pid: 2003,
    });
    expect(first([innocent, ...storm(30)], {}, false)?.target.pid).toBe(1001);
    expect(first([innocent, ...storm(30, (i) => ({ pgid: 2000 + i }))])?.target.pid).toBe(1001);
  });

  it('does not contain older processes of the group, such as the process that started the others', () => {
    const shell = process_(2000, { pgid: 2000, rss_bytes: 20 * MIB, start_ticks: ticks(500), comm: 'precious' });
    const found = first([innocent, shell, ...storm(12, (i) => ({ pid: 3000 + i }))]);
    expect(found?.target).toMatchObject({ pid: 3000, processes: 12 });
  });

  it('counts with the memory that its processes did not get from their parent', () => {
    const parent = process_(2000, { pgid: 2000, rss_bytes: 60 * MIB, start_ticks: ticks(500), stack_start: 7 });
    const leak = process_(1002, { rss_bytes: 100 * MIB, growth_bytes_per_second: 20 * MIB, start_ticks: ticks(500) });
    const workers = (mib: number) =>
      storm(12, (i) => ({ pid: 3000 + i, ppid: 2000, rss_bytes: mib * MIB, stack_start: 7 }));
    expect(first([parent, leak, ...workers(60)], { rank: 'growth' })?.target.pid).toBe(1002);
    expect(first([parent, leak, ...workers(75)], { rank: 'growth' })?.target.pid).toBe(3000);
  });

  it('is not killed when one of its processes is protected', () => {
    const processes = [innocent, ...storm(12, (i) => (i === 5 ? { comm: 'precious' } : {}))];
    expect(first(processes)?.target.pid).toBe(1001);
  });
});
