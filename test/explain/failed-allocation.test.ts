/**
 * The kernel's warnings about a failed allocation (mm/page_alloc.c: warn_alloc, mm/slub.c: slab_out_of_memory) beside an
 * OOM report: their process, their request, their stack and their figures are not those of the report.
 */
import { describe, expect, it } from 'vitest';
import { explain } from './corpus.ts';

const HEAD = 'app invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0';
const STACK = ['CPU: 1 PID: 42 Comm: app Not tainted 6.1.0 #1', 'Call Trace:', ' pagefault_out_of_memory+0x64/0x77'];
const KILL = 'Out of memory: Killed process 42 (app) total-vm:8000kB, anon-rss:3600kB, file-rss:0kB';
const SLUB = [
  'SLUB: Unable to allocate memory on node -1, gfp=0x6000c0(GFP_KERNEL)',
  '  cache: filp(77:0a1b2c), object size: 256, buffer size: 256, default order: 1, min order: 0',
  '  node 0: slabs: 10, objs: 320, free: 0',
];
const figures = (free: number) => [
  'Mem-Info:',
  'active_anon:1 inactive_anon:2 isolated_anon:0',
  `Node 0 Normal free:${free}kB min:900kB low:1000kB high:1100kB present:9000000kB managed:9000000kB`,
];
const FAILED = [
  'app2: page allocation failure: order:2, mode:0xa20(GFP_ATOMIC), nodemask=(null),cpuset=/,mems_allowed=0',
  'CPU: 0 PID: 99 Comm: app2 Not tainted 6.1.0 #1',
  'Call Trace:',
  ' dump_stack_lvl+0x1/0x2',
  ' warn_alloc+0x10/0x20',
  ' new_slab+0x1/0x2',
  ...figures(800),
];

const prefixes: Record<string, (text: string, at: number) => string> = {
  dmesg: (text, at) => `[    5.${String(at).padStart(6, '0')}] ${text}`,
  syslog: (text) => `Jan  7 03:04:05 h1 kernel: ${text}`,
  'an unknown prefix': (text) => `node7 | 03:04:05 | ${text}`,
};
const only = (lines: string[], prefix = prefixes.dmesg) => {
  const { reports, warnings } = explain(lines.map((line, at) => prefix?.(line, at)).join('\n'));
  expect(warnings).toEqual([]);
  expect(reports).toHaveLength(1);
  expect(reports[0]?.warnings).toEqual([]);
  expect(JSON.stringify(reports)).not.toMatch(/app2|filp|warn_alloc|GFP_ATOMIC|GFP_KERNEL|0x6000c0|slabs:/);
  return reports[0] as (typeof reports)[0];
};

describe.each(Object.entries(prefixes))('the warning "SLUB: Unable to allocate memory" after %s', (_, prefix) => {
  it.each([
    ['before the head', [...SLUB, HEAD, ...STACK, KILL]],
    ['after the head', [HEAD, ...SLUB, ...STACK, KILL]],
    ['after the stack', [HEAD, ...STACK, ...SLUB, KILL]],
  ])('%s is not a part of the report', (_where, lines) => {
    const { trigger, victim, verdict } = only(lines, prefix);
    expect(trigger).toMatchObject({ comm: 'app', order: 0, stack: ['pagefault_out_of_memory'] });
    expect(victim).toMatchObject({ pid: 42, comm: 'app' });
    expect(verdict.cause).toBe('page_fault');
    // Just before the head, the warning names the cgroup whose limit refused the page fault.
    expect(verdict.why.includes('a slab cache of the cgroup 0a1b2c could not grow')).toBe(_where === 'before the head');
  });

  it('does not give its order to a head that is cut', () => {
    const cut = 'app invoked oom-killer: gfp_mask=0x0(),';
    expect(only([...SLUB, cut, ...SLUB, ...STACK, KILL], prefix).trigger).toMatchObject({ comm: 'app', order: null });
  });
});

describe('the warning "page allocation failure"', () => {
  it.each([
    ['whole', FAILED],
    ['without its first line', FAILED.slice(1)],
    ['with the warning of SLUB', [...FAILED, ...SLUB]],
    ['without Mem-Info', [...FAILED.slice(0, 6), ...SLUB]],
  ])(
    '%s, before a kill without a head: its process is not the trigger, its figures are not the report’s',
    (_, lines) => {
      expect(only([...lines, KILL])).toMatchObject({ trigger: null, memory: null, victim: { pid: 42 } });
    },
  );

  it('between head and stack of a report leaves the report its own stack and figures', () => {
    const { trigger, memory } = only([HEAD, ...FAILED, ...STACK, ...figures(7000), KILL]);
    expect(trigger).toMatchObject({ comm: 'app', pid: 42, stack: ['pagefault_out_of_memory'] });
    expect(memory?.zones.map(({ free_bytes }) => free_bytes)).toEqual([7000 * 1024]);
  });

  it('of another task, mixed with a report line by line, takes no line of the report', () => {
    const own = [HEAD, ...STACK, ...figures(7000), KILL].map((line) => `[ T42] ${line}`);
    const other = FAILED.map((line) => `[ T99] ${line}`);
    const mixed = own.flatMap((line, at) => [line, ...other.slice(at, at + 1)]);
    const { trigger, memory } = only(mixed);
    expect(trigger).toMatchObject({ comm: 'app', pid: 42, stack: ['pagefault_out_of_memory'] });
    expect(memory?.zones.map(({ free_bytes }) => free_bytes)).toEqual([7000 * 1024]);
  });
});
