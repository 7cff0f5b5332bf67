/**
 * Verdicts on OOM kills without a shortage of memory, on cgroup v1 with several limits, and on many processes of one
 * name; and sentences that must not be misleading.
 */
import { describe, expect, it } from 'vitest';
import { asked, when } from '../../src/explain/render/sentences.ts';
import { renderReport } from '../../src/explain/render/text.ts';
import { explain } from './corpus.ts';
import { wordsOf } from './public-logs.ts';

const only = (text: string) => {
  const { reports } = explain(text);
  expect(reports).toHaveLength(1);
  return reports[0] as (typeof reports)[0];
};

const head = (mask: string, order = 0, comm = 'app') =>
  `${comm} invoked oom-killer: gfp_mask=${mask}, order=${order}, oom_score_adj=0\nCPU: 1 PID: 42 Comm: ${comm} Not tainted 6.1.0 #1`;
const KERNEL = '0xcc0(GFP_KERNEL)';
const KILL =
  'Out of memory: Killed process 42 (app) total-vm:8000kB, anon-rss:3600kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0';
const zone = (name: string, free: number, min: number, high: number, rest = '') =>
  `Mem-Info:\nNode 0 ${name} free:${free}kB min:${min}kB low:${min}kB high:${high}kB ${rest}present:9000000kB managed:9000000kB`;
/** Sentences for a machine that ran out of memory. */
const FULL = /Add RAM|used up|some had come back|Give each service a limit/;

describe('an OOM kill', () => {
  it('with gfp_mask 0 is explained by a page fault that a limit refused', () => {
    const report = only(
      `${head('0x0()')}\n pagefault_out_of_memory+0x64/0x77\n${zone('Normal', 8_000_000, 9000, 15_000)}\n${KILL}`,
    );
    expect(report.verdict.cause).toBe('page_fault');
    expect(wordsOf(report)).not.toMatch(FULL);
  });

  it('is explained by CMA when the free memory is CMA, which a kernel allocation may not use', () => {
    const report = only(`${head(KERNEL)}\n${zone('DMA', 400_000, 9000, 15_000, 'free_cma:396000kB ')}\n${KILL}`);
    expect(report.verdict).toMatchObject({ cause: 'reserved', why: expect.stringContaining('CMA') });
    expect(wordsOf(report)).not.toMatch(FULL);
  });

  it('is not explained by CMA when the request is movable', () => {
    const report = only(
      `${head('0x100cca(GFP_HIGHUSER_MOVABLE)')}\n${zone('DMA', 400_000, 9000, 15_000, 'free_cma:396000kB ')}\n${KILL}`,
    );
    expect(report.verdict.cause).toBe('no_shortage');
  });

  it.each(['reserved_highatomic:720000KB ', 'reserved_highatomic:900000KB free_highatomic:720000KB '])(
    'is explained by the reserve for atomic requests: %s',
    (rest) => {
      const report = only(`${head(KERNEL)}\n${zone('Normal', 900_000, 200_000, 300_000, rest)}\n${KILL}`);
      expect(report.verdict).toMatchObject({
        cause: 'reserved',
        why: expect.stringContaining('703.1 MiB are reserved for atomic'),
      });
    },
  );

  it('is reported as no shortage when the zones had enough memory', () => {
    const report = only(`${head(KERNEL)}\n${zone('Normal', 8_000_000, 9000, 15_000)}\n${KILL}`);
    expect(report.verdict.cause).toBe('no_shortage');
    expect(wordsOf(report)).not.toMatch(FULL);
  });

  it('on a 32-bit kernel is explained by the zone Normal while HighMem is free', () => {
    const zones = `${zone('Normal', 800, 900, 1200)}\nHighMem free:700000kB min:512kB low:900kB high:1200kB present:2000000kB managed:2000000kB`;
    expect(only(`${head(KERNEL)}\n${zones}\n${KILL}`).verdict).toMatchObject({
      cause: 'zone',
      why: expect.stringContaining('HighMem'),
    });
  });

  it('is attributed to SysRq by the line before the head, also for a panic, and has no factors then', () => {
    const report = only(
      `[5.000000] sysrq: SysRq : Manual OOM execution\n[5.000001] ${head(KERNEL)}\n${zone('Normal', 8_000_000, 9000, 15_000)}\nKernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled`,
    );
    expect(report).toMatchObject({ outcome: 'panic', verdict: { cause: 'sysrq', factors: [] } });
  });
});

describe('many processes of one name', () => {
  it('are named as the holder when together they held more than the largest process', () => {
    const rows = Array.from(
      { length: 300 },
      (_, i) => `[ ${1000 + i}]     0  ${1000 + i}    20000    12800   204800        0             0 worker`,
    );
    const table = `[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n[   7]     0     7    90000    76800   204800        0             0 cache\n${rows.join('\n')}`;
    const report = only(
      `${head(KERNEL)}\n${zone('Normal', 800, 900, 1200)}\n${table}\nOut of memory: Killed process 9 (third) total-vm:8kB, anon-rss:4kB, file-rss:0kB`,
    );
    expect(report.verdict.culprit).toContain('300 processes named worker held 14.6 GiB together');
    expect(report.verdict.holders[0]).toMatchObject({ name: 'worker', processes: 300, pid: null });
  });
});

describe('a cgroup v1 with several limits', () => {
  const figures = (memory: string, both: string, kernel: string) =>
    `${head(KERNEL)}\nTask in /a killed as a result of limit of /a\nmemory: usage ${memory}, failcnt 8\nmemory+swap: usage ${both}, failcnt 3\nkmem: usage ${kernel}, failcnt 0\nMemory cgroup out of memory: Killed process 42 (app) total-vm:900000kB, anon-rss:190000kB, file-rss:0kB`;
  const NONE = '10kB, limit 9007199254740988kB';

  it('names the limit of memory and swap when that limit is full', () => {
    const { verdict } = only(figures('99000kB, limit 100000kB', '200000kB, limit 200000kB', NONE));
    expect(verdict.why).toContain('limit of memory and swap together, 195.3 MiB, using 195.3 MiB');
    expect(verdict.why).not.toContain('97.7');
  });

  it('names both limits when both are full, and the limit of kernel memory when only that one is full', () => {
    expect(only(figures('99990kB, limit 100000kB', '200000kB, limit 200000kB', NONE)).verdict.why).toMatch(
      /97\.7 MiB and its limit of memory and swap/,
    );
    expect(only(figures('50000kB, limit 100000kB', NONE, '8000kB, limit 8000kB')).verdict.why).toContain(
      'limit of kernel memory, 7.8 MiB',
    );
  });

  it('gives no share above 100 % and no advice for cgroup v2', () => {
    const report = only(figures('99990kB, limit 100000kB', '200000kB, limit 300000kB', NONE));
    expect(report.verdict.victim_share ?? 0).toBeLessThanOrEqual(1);
    expect(wordsOf(report)).not.toMatch(/memory\.high|\b[1-9]\d\d+ % of what/);
  });

  it('explains that kubepods.slice contains all pods of the node', () => {
    const text =
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,oom_memcg=/kubepods.slice,task_memcg=/kubepods.slice/a,task=app,pid=42,uid=0';
    expect(only(text).verdict.why).toContain('all pods of the node together');
  });
});

describe('sentences', () => {
  const table = (names: string[]) =>
    `[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n${names.map((name, i) => `[   ${i + 7}]     0     ${i + 7}    90000    ${76_800 - i}   204800        0             0 ${name}`).join('\n')}`;

  it('do not say that the largest holder only made the request', () => {
    const report = only(
      `${head(KERNEL, 0, 'hog')}\n${table(['hog', 'app'])}\nOut of memory: Killed process 8 (app) total-vm:8kB, anon-rss:4kB, file-rss:0kB`,
    );
    expect(report.verdict.culprit).toMatch(/hog \(pid 7\) held/);
    expect(report.verdict.culprit).not.toContain('only made the request');
  });

  it('name the largest process when the report has no victim', () => {
    expect(only(`${head(KERNEL)}\n${table(['hog', 'app'])}`).verdict.culprit).toContain(
      'The largest process was hog (pid 7), which held 300 MiB',
    );
  });

  it('name the child that was killed and the parent that was chosen', () => {
    const report = only(
      'Memory cgroup out of memory: Kill process 70 (parent) score 61 or sacrifice child\nKilled process 71 (child) total-vm:8kB, anon-rss:4kB, file-rss:0kB',
    );
    expect(report.verdict.choice).toBe(
      'parent (pid 70) was chosen, with a score of 61; the kernel killed its child child (pid 71) in its place.',
    );
  });

  it('say that a kernel has no compaction', () => {
    const report = only(
      `app invoked oom-killer: gfp_mask=0xd0, order=2, oom_score_adj=0\nCOMPACTION is disabled!!!\n${KILL}`,
    );
    expect(report.verdict.factors.map(({ factor }) => factor)).toContain('no_compaction');
  });

  it('have no bare question mark and no empty flags, and do not name panic() as the allocating function', () => {
    const report = only(
      `app invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0\n panic+0x1/0x2\n dump_header+0x1/0x2\n do_page_fault+0x1/0x2`,
    );
    expect(asked(report)).toBe('app for 1 page, in do_page_fault().');
    expect(renderReport(report, (_, text) => text, 120)).not.toMatch(/(?:^|\s)\?(?:\s|$)|with ,/);
  });
});

describe('the page size', () => {
  it('is computed from totals in pages and figures of the node in KiB', () => {
    const report = only(
      `${head(KERNEL)}\nMem-Info:\nactive_anon:5 inactive_anon:1 isolated_anon:0\n active_file:10 inactive_file:0 isolated_file:0\n slab_reclaimable:4 slab_unreclaimable:100000\nNode 0 active_anon:320kB inactive_anon:64kB active_file:640kB inactive_file:0kB`,
    );
    expect(report).toMatchObject({ page_bytes: 65536, memory: { totals: { slab_unreclaimable: 6_553_600_000 } } });
  });
});

describe('time stamps', () => {
  const kill = 'Out of memory: Killed process 9 (app) total-vm:8kB, anon-rss:4kB, file-rss:0kB';

  it('without a time zone keep their hour, and are shown as in the log', () => {
    for (const stamp of ['[Wed Jan  7 03:04:05 2026]', 'Jan  7 03:04:05 h1 kernel:']) {
      const report = only(`${stamp} ${kill}`);
      expect(report).toMatchObject({ time_source: 'log_local', time: expect.stringContaining('-01-07T03:04:05') });
      expect(when(report)).toBe(report.time_text);
      expect(when(report)).toMatch(/Jan {2}7 03:04:05/);
    }
  });
});

describe('structured logs', () => {
  const sentence =
    'Memory cgroup out of memory: Killed process 9 (app) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0';
  const head = 'app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0';
  const json = JSON.stringify;
  const documents: Record<string, string> = {
    'Cloud Logging': `${json({ jsonPayload: { message: head, SYSLOG_IDENTIFIER: 'kernel' }, timestamp: '2026-01-07T03:04:05Z' })}\n${json({ textPayload: sentence, timestamp: '2026-01-07T03:04:05Z' })}`,
    'a pretty-printed array': json([{ textPayload: head }, { textPayload: sentence }], null, 2),
    'an array on a line': json([{ textPayload: head }, { textPayload: sentence }]),
    'Loki lines': [head, sentence]
      .map((line) => json({ labels: { job: 'node' }, line, timestamp: '2026-01-07T03:04:05Z' }))
      .join('\n'),
    'a Loki answer': json({
      data: {
        result: [
          {
            stream: {},
            values: [
              ['1767755045000000000', head],
              ['1767755045000000001', sentence],
            ],
          },
        ],
      },
    }),
    logfmt: [head, sentence].map((line) => `ts=2026-01-07T03:04:05Z level=warn msg=${json(line)}`).join('\n'),
    'journalctl -o json-pretty': [head, sentence]
      .map((MESSAGE) => json({ _TRANSPORT: 'kernel', MESSAGE }, null, '\t'))
      .join('\n'),
    'journalctl -o export': [head, sentence]
      .map((line) => `__REALTIME_TIMESTAMP=1\n_TRANSPORT=kernel\nMESSAGE=${line}\n`)
      .join('\n'),
    'a Kubernetes event': `${head}\n${json({ reason: 'OOMKilling', message: sentence, firstTimestamp: '2026-01-07T03:04:05Z' })}`,
  };

  it.each(Object.entries(documents))('%s gives one report with head and kill', (_, text) => {
    expect(only(text)).toMatchObject({
      trigger: { comm: 'app' },
      victim: { comm: 'app', pid: 9, inferred: false, reason: 'Memory cgroup out of memory' },
    });
  });

  it('read a Kubernetes event with two kernel messages as one kill', () => {
    const text =
      'Warning  OOMKilling  3m  kernel-monitor  Out of memory: Kill process 9 (app) score 5 or sacrifice child Killed process 9 (app), UID 0, total-vm:8kB, anon-rss:4kB, file-rss:0kB';
    expect(only(text).victim).toMatchObject({
      comm: 'app',
      pid: 9,
      score: 5,
      inferred: false,
      memory: { total_vm_bytes: 8192 },
    });
  });
});
