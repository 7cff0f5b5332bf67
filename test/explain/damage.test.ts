/** Logs with mixed reports, missing lines, random damage, and process names chosen by an attacker. */
import { describe, expect, it } from 'vitest';
import { comparisonView } from '../../src/explain/html/comparison-view.ts';
import { partView, reportView } from '../../src/explain/html/report-view.ts';
import { contentsView, summaryView, timeLineView } from '../../src/explain/html/summary-view.ts';
import { Patterns } from '../../src/explain/patterns.ts';
import { markdown, safe } from '../../src/explain/render/markdown.ts';
import { renderReport, renderTimeLine } from '../../src/explain/render/text.ts';
import { TimeLine } from '../../src/explain/render/time-line.ts';
import { compare } from '../../src/explain/verdict/comparison.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { plain } from '../../src/render/paint.ts';
import { schemaErrors } from '../schema.ts';
import { seeded } from '../seeded.ts';
import { explain, fixture, fixtures, linesOf } from './corpus.ts';
import { interleave, mutate } from './mutate.ts';
import { unfounded } from './unfounded.ts';

const dmesg = (name: string, caller = '') =>
  linesOf(fixture(name)).map(({ timeUs, text }) => `[${(timeUs / 1e6).toFixed(6).padStart(12)}]${caller} ${text}`);
const facts = ({ scope, victim, group, trigger, limit, memory, tasks, outcome }: OomReport) => ({
  ...{ scope, victim, group, trigger, limit, memory, tasks, outcome },
});
const byVictim = (reports: OomReport[]) =>
  reports.toSorted((a, b) => ((a.victim?.comm ?? '') < (b.victim?.comm ?? '') ? -1 : 1)).map(facts);

describe('two reports written at the same time', () => {
  const pairs = [
    ['6.12/v2-memcg.kmsg', '6.12/v2-global.kmsg'],
    ['6.1/v2-trigger.kmsg', '6.1/v2-memcg.kmsg'],
    ['6.18/host-memcg.kmsg', '6.18/host-trigger.kmsg'],
    ['7.2/v2-cpuset.kmsg', '7.2/v2-tmpfs.kmsg'],
  ] as const;

  it.each(pairs)('%s and %s are separated by the printk caller', (a, b) => {
    const alone = byVictim([...explain(dmesg(a).join('\n')).reports, ...explain(dmesg(b).join('\n')).reports]);
    for (let seed = 0; seed < 50; seed++) {
      const { reports } = explain(interleave([dmesg(a, '[  T101]'), dmesg(b, '[  T202]')], seeded(seed)).join('\n'));
      expect(byVictim(reports)).toEqual(alone);
      expect(reports.flatMap(({ warnings }) => warnings)).toEqual([]);
    }
  });

  it.each(pairs)('%s and %s are separated by the host name in a log of several hosts', (a, b) => {
    const on = (host: string, name: string) =>
      dmesg(name).map((line) => `2026-11-22T10:00:00+00:00 ${host} kernel: ${line}`);
    const { reports } = explain(interleave([on('a', a), on('b', b)], seeded(7)).join('\n'));
    expect(reports).toHaveLength(2);
    expect(reports.map(({ node }) => node).sort()).toEqual(['a', 'b']);
    for (const { warnings } of reports) expect(warnings).toEqual([]);
  });

  // A report about a cgroup and a report about the system differ in the form of all lines except stack lines and task
  // rows.
  it('are separated by the form of their lines when the log has neither caller nor host', () => {
    const [a, b] = ['6.12/v2-memcg.kmsg', '6.12/v2-global.kmsg'] as const;
    const [only] = explain(dmesg(a).join('\n')).reports;
    const [other] = explain(dmesg(b).join('\n')).reports;
    for (let seed = 0; seed < 50; seed++) {
      const { reports } = explain(interleave([dmesg(a), dmesg(b)], seeded(seed)).join('\n'));
      const of = (scope: string) => reports.find((report) => report.scope === scope);
      expect(of('cgroup')?.limit).toEqual(only?.limit);
      expect(of('cgroup')?.victim?.comm).toBe('cache-builder');
      expect(of('system')?.victim?.comm).toBe('taker');
      expect(reports).toHaveLength(2);
      // Task rows of both reports look alike: a report with rows that fit both has a warning.
      if (reports.some(({ warnings }) => warnings.length > 0)) continue;
      expect(of('system')?.memory).toEqual(other?.memory);
    }
  });
});

describe('an incomplete report', () => {
  const lines = dmesg('6.12/v2-memcg.kmsg');

  it('is read from the kill line alone', () => {
    const { reports } = explain(`noise\n${lines.find((line) => line.includes('Killed process'))}\nnoise`);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({
      parts: ['kill'],
      outcome: 'killed',
      scope: 'cgroup',
      trigger: null,
      limit: null,
      tasks: [],
    });
    expect(reports[0]?.victim).toMatchObject({ comm: 'cache-builder', cgroup: null, uid: 0 });
    expect(reports[0]?.verdict).toMatchObject({ choice_agrees: null, victim_share: null, holders: [] });
  });

  it('gives one report for each of several kill lines in a row', () => {
    const kill = (pid: number) =>
      `[ 1.000000] Memory cgroup out of memory: Killed process ${pid} (a) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB, UID:5 pgtables:6kB oom_score_adj:7`;
    expect(explain([1, 2, 3].map(kill).join('\n')).reports.map(({ victim }) => victim?.pid)).toEqual([1, 2, 3]);
  });

  it('is read from its last lines, when the kernel log buffer has lost its head', () => {
    const cut = lines.findIndex((line) => line.includes('Tasks state'));
    const { reports } = explain([...lines.slice(cut)].join('\n'));
    expect(reports).toHaveLength(1);
    expect(reports[0]?.parts).toEqual(['tasks', 'summary', 'kill']);
    expect(reports[0]?.tasks).toHaveLength(2);
  });

  it('has no number that is not in the log, when a random half of the lines is missing', () => {
    for (const name of fixtures.filter((one) => !/storm|killable|hostile/.test(one))) {
      const next = seeded(name.length);
      const half = dmesg(name).filter(() => next() < 0.5);
      for (const report of explain(half.join('\n')).reports) expect(unfounded(report, half.join('\n'))).toEqual([]);
    }
  });

  it('is read around lines that are too long', () => {
    const long = 'x'.repeat(300_000);
    const { reports } = explain([long, ...lines.slice(0, 40), long, ...lines.slice(40), long].join('\n'), 10_000);
    expect(reports.map(facts)).toEqual(explain(lines.join('\n')).reports.map(facts));
  });
});

describe('a damaged log', () => {
  const texts = fixtures.filter((name) => !/killable/.test(name)).map((name) => dmesg(name));

  // `npm run prove:explain` does the same with a million lines.
  it('is read without a crash, and gives no number that is not in the log', () => {
    const next = seeded(20261122);
    let lines = 0;
    for (let round = 0; lines < 30_000; round++) {
      const damaged = mutate(texts[round % texts.length] as string[], next, 0.3);
      lines += damaged.length;
      const text = damaged.join('\n');
      for (const report of explain(text, 4096).reports) {
        expect(unfounded(report, text)).toEqual([]);
        expect(schemaErrors(report)).toEqual([]);
      }
    }
  });

  it('cannot make a pattern take exponential time', () => {
    const tokens = [
      ',task_memcg=',
      ',oom_memcg=',
      ',task=',
      ',pid=1',
      ': Killed process ',
      ' invoked oom-killer: ',
      ' (',
      ') ',
      ',cpuset=',
      'Out of memory: ',
      ' total-vm:1kB',
      ',mems_allowed=',
      '1 ',
    ];
    const heads = [
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=0,cpuset=',
      'Out of memory: Killed process 1 (',
      '[ 1] 1 1 1 1 1 1 1 ',
      'a invoked oom-killer: gfp_mask=0x1(',
      'Task in ',
      'Tasks in ',
      'CPU: 1 PID: 1 Comm: ',
      'Node 0 DMA free:1kB ',
      'Memory cgroup stats for ',
    ];
    let slowestMs = 0;
    for (const head of heads) {
      for (const token of tokens) {
        const begin = performance.now();
        explain(`Out of memory: Killed process 1 (\n${head}${token.repeat(60_000 / token.length)}`);
        slowestMs = Math.max(slowestMs, performance.now() - begin);
      }
    }
    // The limit only excludes exponential and cubic time, which would take minutes.
    expect(slowestMs).toBeLessThan(5000);
  });

  it('is quoted in warnings where a line cannot be parsed, with control characters escaped', () => {
    const faulty = [
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=\x1b[2Jnothing',
      'Memory cgroup out of memory: Killed process 99999999999999999999 (x) total-vm:1kB',
      'a invoked oom-killer: gfp_mask=0xcc0, order=77',
    ];
    const { reports, warnings } = explain(faulty.join('\n'));
    expect(reports).toEqual([]);
    expect(warnings).toEqual(
      faulty.map((line) => `a line of a report could not be read: "${line.replace('\x1b', '\\x1b')}"`),
    );
  });
});

describe('hostile names', () => {
  const evil = [
    '</h2><script>alert(1)</script>',
    '"onload="x',
    '](http://evil) `|',
    '\x1b]0;x\x07',
    '\u202egpj.exe',
    '&lt;b&gt;',
    "'><img src=x>",
  ];
  const kill = (comm: string) =>
    `[ 1.0] Out of memory: Killed process 7 (${comm}) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0`;
  const { reports } = explain(evil.map(kill).join('\n'));
  const patterns = new Patterns();
  const line = new TimeLine();
  for (const report of reports) {
    patterns.add(report);
    line.add(report);
  }

  it('are unchanged in the event', () => {
    expect(reports.map(({ victim }) => victim?.comm)).toEqual(evil);
  });

  it('cannot become markup in the page', () => {
    // The names in every field that a process can choose: its own, those of its cgroups, and those in a task table.
    const rows = evil.map((comm, i) => `[ 2.0] [${i + 10}]     0    ${i + 10}  100  50  4096  0  0 ${comm}`);
    const table = [
      '[ 2.0] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name',
      ...rows,
    ];
    const ending = `[ 2.0] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/${evil[0]},task_memcg=/${evil[0]},task=x,pid=10,uid=0`;
    const [whole] = explain(
      ['[ 2.0] x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0', ...table, ending].join(
        '\n',
      ),
    ).reports;
    const all = [...reports, ...(whole ? [whole] : [])];
    expect(whole?.tasks.map(({ comm }) => comm)).toEqual(evil.map((name) => name.trimEnd()));
    const page = [
      ...all.flatMap((report, i) => [
        reportView(report, i),
        ...(['processes', 'fields', 'lines'] as const).map((part) => partView(part, report, i)),
      ]),
      ...all.flatMap((report) => report.tasks.map(({ pid }) => comparisonView(compare(report, pid)))),
      summaryView(patterns.summary()),
      timeLineView(line.entries(), () => 0),
      contentsView(all, []),
    ].join('\n');
    // None of these elements may be in the page.
    const elements = new Set([...page.matchAll(/<\/?([a-z][a-z0-9]*)/gi)].map(([, name]) => name?.toLowerCase()));
    for (const name of ['script', 'img', 'iframe', 'link', 'object']) expect(elements).not.toContain(name);
    expect(page).not.toMatch(/\son\w+\s*=\s*["']/i);
    expect(page).not.toMatch(/\bsrc\s*=\s*["']|\bhref\s*=\s*["'](?!#report-\d+")|url\(|@import/);
    expect(page).not.toMatch(/[^\P{C}\n]/u);
  });

  it('cannot become links, tables or escape sequences in Markdown and on the terminal', () => {
    const ticket = markdown(reports, patterns.summary(), line);
    expect(ticket).not.toMatch(/[^\\](?:\]\(|<script|:\/\/)|[^\P{C}\n]/u);
    expect(renderTimeLine(line, plain, 100)).not.toMatch(/[^\P{C}\n]/u);
    for (const report of reports) expect(renderReport(report, plain, 100, { fields: true })).not.toMatch(/[^\P{C}\n]/u);
  });

  it('keep what is readable in Markdown, and cannot become pictures there', () => {
    expect(safe('21:30:05 pod: 1:2 a b')).toBe('21:30:05 pod: 1:2 a b');
    expect(safe('http://x :+1: :thumbs_up:')).toBe('http\\://x :&#8288;\\+1: :&#8288;thumbs\\_up:');
  });

  it('that contain parts of a report line do not end the name early', () => {
    const name = 'x) total-vm:1kB';
    const [report] = explain(kill(name)).reports;
    expect(report?.victim).toMatchObject({ comm: name, memory: { total_vm_bytes: 8192 } });
  });
});
