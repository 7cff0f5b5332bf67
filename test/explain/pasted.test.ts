/** Logs as people paste them: quoted, cut, wrapped, escaped, or with the prefix of an unknown tool. */
import { describe, expect, it } from 'vitest';
import { Patterns } from '../../src/explain/patterns.ts';
import { explain } from './corpus.ts';
import { judge, readings } from './public-logs.ts';

const only = (text: string) => {
  const { reports } = explain(text);
  expect(reports).toHaveLength(1);
  return reports[0] as (typeof reports)[0];
};

describe('published logs', () => {
  it.each(readings.map((reading) => [reading.file, reading] as const))(
    '%s is read in the same way as by a person',
    (_, reading) => {
      expect(judge(reading)).toEqual({ judgement: 'right', differences: [] });
    },
  );
});

const HEAD = 'app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0';
const prefixes = [
  '[Mi Jan  7 03:04:05 2026] ',
  '[mer. janv.  7 03:04:05 2026] ',
  '[三 1月  7 03:04:05 2026] ',
  'kern: warning: [2026-01-07T03:04:05.000000001Z]: ',
  '192.0.2.7: kern:    info: [2026-01-07T03:04:05.000000001Z]: ',
  'Wed Jan  7 03:04:05 2026 kern.warn kernel: [  5.000000] ',
  '> > [5.0000] ',
  '>>   ',
  '+[5.000000] ',
  ': [5.000000] ',
  '`',
  '```[5.000000] ',
  '<4>1 2026-01-07T03:04:05.000001+00:00 h1 kernel - - - ',
  'Wed 2026-01-07 03:04:05 UTC h1 kernel: ',
  '[Jan 7 03:04] ',
  '[  +0.000012] ',
  '1234:[5.000000] ',
  'kern.log:1234:[5.000000] ',
  'node7: [5.000000] ',
  'Jan  7 03:04:05 h1 kern.warn kernel: ',
  '[2026-01-07 03:04:05] [    5.000000] ',
  '** 3 printk messages dropped ** [5.000000] ',
  'Jan 07 03:04:05 ** kernel: ',
  'worker-7 | ',
];

describe('an unknown prefix', () => {
  it.each(prefixes)('%s is not read as a part of the process name', (prefix) => {
    const lines = [
      HEAD,
      'CPU: 1 PID: 42 Comm: app Not tainted 6.1.0 #1',
      'Call Trace:',
      ' dump_header+0x4a/0x201',
      'Mem-Info:',
      'Node 0 Normal free:900kB min:1000kB low:1200kB high:1400kB present:8000kB managed:8000kB',
      '[   42]     0    42     2000      900    40960        0             0 app',
      'Out of memory: Killed process 42 (app) total-vm:8000kB, anon-rss:3600kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0',
    ];
    const report = only(lines.map((line) => prefix + line).join('\n'));
    expect(report.trigger).toMatchObject({ comm: 'app', tid: 42, order: 0, stack: ['dump_header'] });
    expect(report.victim).toMatchObject({
      comm: 'app',
      pid: 42,
      inferred: false,
      memory: { anon_rss_bytes: 3600 * 1024 },
    });
    expect(report.memory?.zones).toHaveLength(1);
    expect(report.tasks).toHaveLength(1);
    expect(report.warnings).toEqual([]);
  });

  it.each(['log:main', 'worker 3/9', '(tool)', 'a b: c'])('does not cut the process name %s', (comm) => {
    const head = `[    5.000000] ${HEAD.replace('app', comm)}`;
    expect(only(`${head}\n[    5.000001] CPU: 1 PID: 7 Comm: ${comm} Not tainted 6.1.0 #1`).trigger).toMatchObject({
      comm,
    });
  });
});

describe('a head', () => {
  it('is read field by field, whatever stands between the fields', () => {
    const text =
      '[   12.100000] app invoked oom-killer: gfp_mask=0x14200ca(GFP_HIGHUSER_MOVABLE), nodemask=(null),  order=0, oom_score_adj=-5';
    expect(only(text).trigger).toMatchObject({ comm: 'app', gfp: 'GFP_HIGHUSER_MOVABLE', order: 0, oom_score_adj: -5 });
  });

  it('that is cut, padded or followed by other text keeps its complete fields', () => {
    const cut = only('app invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oo0');
    expect(cut.trigger).toMatchObject({ gfp: 'GFP_KERNEL', order: 0, oom_score_adj: null });
    const padded = only(
      '[5.0000] app invoked oom-killer: gfp_mask=0x15000c0(GFP_KERNEL_ACC                OUNT), nodemask=(null),  order=1, oom_score_adj=0',
    );
    expect(padded.trigger).toMatchObject({ gfp: 'GFP_KERNEL_ACCOUNT', order: 1 });
    const rest = only('app invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0            [3/41]');
    expect(rest.trigger).toMatchObject({ gfp_mask: '0xd0', oom_score_adj: 0 });
    for (const { warnings } of [cut, padded, rest]) expect(warnings).toEqual([]);
  });
});

describe('a prefix that is on no list', () => {
  const lines = [
    'app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
    'Out of memory: Killed process 9 (app) total-vm:100kB, anon-rss:50kB, file-rss:0kB, shmem-rss:0kB',
  ];
  it.each([
    ['<4>1 2026-01-07T03:04:05.000001+00:00 h1 kernel - - - ', 'h1', null],
    ['Wed 2026-01-07 03:04:05 UTC h1 kernel: ', 'h1', null],
    ['192.0.2.7: kern:    info: [2026-01-07T03:04:05.000000001Z]: ', '192.0.2.7', null],
    ['Jan  7 03:04:05 h1 kern.warn kernel: ', 'h1', 'Jan  7 03:04:05'],
    ['Wed Jan  7 03:04:05 2026 kern.warn kernel: [  5.000000] ', '', 'Wed Jan  7 03:04:05 2026'],
    ['[Mi Jan  7 03:04:05 2026] ', '', 'Mi Jan  7 03:04:05 2026'],
  ])('%s: gives the host and the time', (prefix, node, time) => {
    const { reports } = explain(lines.map((line) => prefix + line).join('\n'));
    expect(reports).toEqual([
      expect.objectContaining({ node, time_text: time, trigger: expect.objectContaining({ comm: 'app' }) }),
    ]);
    expect(reports[0]?.time.slice(0, 19)).toBe('2026-01-07T03:04:05');
  });
});

describe('a report without a head, soon after another kill', () => {
  it('keeps its task row, its reason and its score', () => {
    const { reports } = explain(`[50.100000] Killed process 11 (one) total-vm:9000kB, anon-rss:100kB, file-rss:0kB
[50.900000] [  12]     0    12     2000      900       5        0             0 two
[50.900000] Memory cgroup out of memory: Kill process 12 (two) score 900 or sacrifice child
[50.900000] Killed process 12 (two) total-vm:8000kB, anon-rss:3600kB, file-rss:0kB`);
    expect(reports.map(({ victim }) => victim?.comm)).toEqual(['one', 'two']);
    expect(reports[1]).toMatchObject({ scope: 'cgroup', victim: { score: 900 }, tasks: [{ comm: 'two' }] });
  });
});

describe('a victim without a kill line', () => {
  it.each([
    [
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=app,pid=42,uid=0',
      'app',
      42,
    ],
    ['oom_reaper: reaped process 43 (app2), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB', 'app2', 43],
    ['Out of memory: Kill process 44 (app3) score 500 or sacrifice child', 'app3', 44],
    ['oom_reaper: reaped process 9 (app)', 'app', 9],
    ['oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task_memcg=/,task=app,pid=9,uid=0', 'app', 9],
  ])('is inferred from %s', (line, comm, pid) => {
    const report = only(`[5.000000] ${line}`);
    expect(report).toMatchObject({
      outcome: 'killed',
      victim: { comm, pid, inferred: true, memory: { rss_bytes: null } },
    });
    expect(report.warnings).toEqual([]);
  });

  it('is null when the log names only its cgroup', () => {
    const report = only('Task in /a/b killed as a result of limit of /a');
    expect(report).toMatchObject({ outcome: 'killed', victim: null, scope: 'cgroup', limit: { path: '/a' } });
  });

  it('is counted once when the kill line follows', () => {
    const report =
      only(`oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=app,pid=9,uid=0
Out of memory: Killed process 9 (app) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0
oom_reaper: reaped process 9 (app), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB`);
    expect(report.victim).toMatchObject({ inferred: false, reaped: { anon_rss_bytes: 0 } });
  });

  it('is the child that the kernel killed instead of the chosen process', () => {
    const { victim } = only(`Memory cgroup out of memory: Kill process 70 (parent) score 61 or sacrifice child
Killed process 71 (child) total-vm:8kB, anon-rss:4kB, file-rss:0kB`);
    expect(victim).toMatchObject({ comm: 'child', pid: 71, score: 61, chosen: { pid: 70, comm: 'parent' } });
  });
});

describe('a kill whose process the log does not name', () => {
  it('counts as a kill in the summary', () => {
    const patterns = new Patterns();
    for (const report of explain('[5.0] Task in /a/b killed as a result of limit of /a').reports) patterns.add(report);
    expect(patterns.summary()).toMatchObject({ reports: 1, kills: 1, repeats: [] });
  });
});

describe('a kill without a head', () => {
  const kill = 'Killed process 12 (two) total-vm:8000kB, anon-rss:3600kB, file-rss:0kB';
  it.each([
    [[kill], 'The log has only the kill, not the lines before it.'],
    [
      ['[  12]     0    12     2000      900       5        0             0 two', kill],
      'The log does not say whether a cgroup or the machine ran out of memory.',
    ],
  ])('%s: says what is missing', (lines, why) => {
    expect(`T${explain(lines.join('\n')).reports[0]?.verdict.why.slice(1)}`).toBe(why);
  });
});

describe('a clock in the language of a locale', () => {
  const kill =
    'Out of memory: Killed process 9 (app) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0';
  it.each([
    ['Sun Apr 19 18:03:30 2026', '2026-04-19T18:03:30'],
    ['dim. 19 avril 18:03:30 2026', '2026-04-19T18:03:30'],
    ['mer. janv.  7 03:04:05 2026', '2026-01-07T03:04:05'],
    ['Mi Mär  7 03:04:05 2026', '2026-03-07T03:04:05'],
    ['Mi 7. Mär 03:04:05 2026', '2026-03-07T03:04:05'],
    ['三 12月  7 03:04:05 2026', '2026-12-07T03:04:05'],
    ['Ср янв  7 03:04:05 2026', '2026-01-07T03:04:05'],
  ])('%s is read', (clock, time) => {
    const { time: found, time_source, time_text } = only(`[${clock}] ${kill}`);
    expect({ found: found.slice(0, 19), time_source, time_text }).toEqual({
      ...{ found: time, time_source: 'log_local', time_text: clock },
    });
  });
  it.each(['Sr 7 listopad 03:04:05 2026', 'xx 7 quux 03:04:05 2026', '三 13月  7 03:04:05 2026'])(
    '%s does not name a month for certain, so the time is unknown',
    (clock) => expect(only(`[${clock}] ${kill}`).time_source).toBe('reading'),
  );
});

describe('a kill line without a task table', () => {
  it.each([
    [
      'Memory cgroup out of memory: Killed process 7788 (bash) total-vm:7169492kB, anon-rss:7165824kB, file-rss:44kB, shmem-rss:0kB, UID:0 pgtables:14076kB oom_score_adj:1000',
      '6.8 GiB resident',
    ],
    [
      '  Memory cgroup out of memory: Killed process 918703 (gui)\n  total-vm:23870700kB, anon-rss:16736460kB',
      '16.0 GiB of anonymous memory',
    ],
  ])('%s: shows what the victim held', (lines, held) => {
    const { choice, culprit } = only(lines).verdict;
    expect(choice).toContain(`was chosen, and held ${held} when it was killed`);
    expect(culprit).toBe(`The log shows only the victim’s memory, ${held}; it does not say what other processes held.`);
  });
});

describe('"Out of memory" without a cpuset', () => {
  it('is no limit of a cgroup', () => {
    const { scope, verdict } = only(`sshd invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0
Out of memory: Kill process 2310 (f951) score 612 or sacrifice child
Killed process 2310 (f951) total-vm:88564kB, anon-rss:63348kB, file-rss:0kB`);
    expect({ scope, cause: verdict.cause }).toEqual({ scope: null, cause: 'unknown' });
    expect(verdict.why).toContain('it was not the limit of a cgroup');
    expect(verdict.advice[0]?.because).not.toContain('cgroup');
  });
});

describe('a process that runs swapoff', () => {
  const of = (frame: string) =>
    only(`swapoff invoked oom-killer: gfp_mask=0x6200ca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
CPU: 1 PID: 50 Comm: swapoff Not tainted 5.10.0-8-amd64 #1 Debian 5.10.46-4
Call Trace:
 dump_stack+0x6b/0x83
 out_of_memory+0x138/0x510
 ${frame}+0x1d7/0x670
Mem-Info:
active_anon:300000 inactive_anon:50 isolated_anon:0
458615 pages RAM
15801 pages reserved
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[     40]     0    40   300000   290000  2400000        0             0 database
[     50]     0    50     1000      300    40000        0         -1000 swapoff
Out of memory: Killed process 50 (swapoff) total-vm:4000kB, anon-rss:1200kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:-1000`)
      .verdict;
  it('is killed first, whatever its size', () => {
    const { choice, choice_agrees, alternatives } = of('try_to_unuse');
    expect(choice).toContain('because it was running swapoff');
    expect({ choice_agrees, alternatives }).toEqual({ choice_agrees: null, alternatives: [] });
  });
  it('is not assumed without its frame in the stack', () => {
    expect(of('__alloc_pages_slowpath').choice).not.toContain('swapoff:');
    expect(of('__alloc_pages_slowpath').choice).not.toContain('running swapoff');
  });
});

describe('escaped line ends', () => {
  it.each(['#012', '\\x0a', '\\n'])('%s ends a line of Mem-Info', (end) => {
    const report = only(`${HEAD}
Mem-Info:
active_anon:100 inactive_anon:50 isolated_anon:0${end} active_file:3 inactive_file:1 isolated_file:0${end} slab_reclaimable:4 slab_unreclaimable:9${end} free:700 free_pcp:0`);
    expect(report.memory?.totals).toMatchObject({
      active_anon: 409600,
      active_file: 12288,
      slab_unreclaimable: 36864,
      free: 2867200,
    });
  });
});

describe('a copied log with each line twice', () => {
  it('gives one report', () => {
    const lines = [
      `[5.000000] ${HEAD}`,
      '[5.000001] Task in /a killed as a result of limit of /a',
      '[5.000002] Killed process 9 (app) total-vm:8kB, anon-rss:4kB, file-rss:0kB',
    ];
    expect(only(lines.flatMap((line) => [line, line]).join('\n')).victim?.pid).toBe(9);
  });
});
