import { expect, test } from 'vitest';
import { containerRemarks } from '../../src/container-watch/remarks.ts';
import type { ContainerMemory, ContainerReport } from '../../src/model/container-report.ts';
import { aMemory, aReport, ID } from './container-samples.ts';

const MIB = 2 ** 20;
const own = { path: `/docker/${ID}`, limit_bytes: 100 * MIB, left_bytes: 50 * MIB };
const limited = (parts: Partial<ContainerMemory> = {}) =>
  aMemory({ limit_bytes: 100 * MIB, effective_limit: own, ...parts });
const configured = {
  ...{ memory_limit_bytes: 100 * MIB, memory_and_swap_limit_bytes: null, swap_unlimited: false },
  ...{ memory_reservation_bytes: null, oom_score_adj: 0, oom_kill_disable: false },
};
const growth = { bytes_per_second: MIB, uncertainty_bytes_per_second: 1000, exhausted_in_seconds_range: null };
const waits = { avg10: 30, avg60: 25, avg300: 1, total_ns: 1000 };

const cases: [what: string, Partial<ContainerReport>, swap: number, RegExp | undefined][] = [
  ['no remark for a healthy container', { memory: limited() }, 0, undefined],
  ['a container without any limit', { memory: aMemory() }, 0, /^warning: It has no memory limit/],
  [
    'a limit of an ancestor that will be hit first',
    { memory: limited({ effective_limit: { path: '/shop', limit_bytes: 64 * MIB, left_bytes: MIB } }) },
    ...([0, /^warning: \/shop has 1 MiB left of 64 MiB: this limit is hit before the container's own/] as [
      number,
      RegExp,
    ]),
  ],
  [
    'memory that cannot be reclaimed',
    { memory: limited({ unreclaimable_bytes: 95 * MIB }) },
    0,
    /^critical: 95 % of its limit .* cannot be reclaimed/,
  ],
  [
    'a limit that is filled with file pages',
    { memory: limited({ usage_bytes: 99 * MIB, unreclaimable_bytes: 10 * MIB }) },
    ...([0, /^info: .* only 10 % of its limit cannot be reclaimed/] as [number, RegExp]),
  ],
  [
    'growing',
    { memory: limited({ growth: { ...growth, exhausted_in_seconds: 50 } }) },
    0,
    /^critical: .* the limit in 50 s/,
  ],
  [
    'no remark for slow growth',
    { memory: limited({ growth: { ...growth, exhausted_in_seconds: 50_000 } }) },
    0,
    undefined,
  ],
  [
    'tasks that wait for memory',
    { memory: limited({ pressure: { some: waits, full: waits } }) },
    0,
    /^warning: .* memory 25 % of the time/,
  ],
  [
    'OOM kills in the container',
    { memory: limited({ counts: { oom_kills: 3, ooms: 3, high: 0, limit_hits: 9 } }) },
    0,
    /^critical: .* 3 times/,
  ],
  [
    'an OOM of a cgroup above the container',
    { memory: limited(), oom_killed: true },
    0,
    /^info: .* a cgroup above it ran out/,
  ],
  [
    'a container that an OOM kill ended',
    { memory: null, state: 'exited', exit_code: 137, oom_killed: true },
    0,
    /^critical: .* OOM-killed/,
  ],
  [
    'a container that a SIGKILL ended',
    { memory: null, state: 'exited', exit_code: 137 },
    0,
    /^warning: .* reports no OOM/,
  ],
  ['no remark for a container that ended by itself', { memory: null, state: 'exited', exit_code: 1 }, 0, undefined],
  ['a container that was restarted', { memory: limited(), restart_count: 4 }, 0, /^warning: It was restarted 4 times/],
  [
    'swap that the default of the runtime allows',
    { memory: limited(), configured },
    2 ** 30,
    /^info: It may use 100 MiB of swap on top/,
  ],
  ['no remark about swap on a machine without swap', { memory: limited(), configured }, 0, undefined],
  [
    'a container that may use all swap',
    { memory: limited(), configured: { ...configured, swap_unlimited: true } },
    1,
    /^info: .* all swap/,
  ],
  [
    'an oom_score_adj that makes the kernel kill others',
    { memory: limited(), configured: { ...configured, oom_score_adj: -999 } },
    0,
    /^warning: .* other processes are killed/,
  ],
  [
    '--oom-kill-disable on cgroup v2',
    { memory: limited(), configured: { ...configured, oom_kill_disable: true } },
    0,
    /^info: .* no effect/,
  ],
];

test.each(cases)('remarks: %s', (_, parts, swap, expected) => {
  const remarks = containerRemarks(aReport(parts), swap).map(({ severity, text }) => `${severity}: ${text}`);
  if (expected === undefined) expect(remarks).toEqual([]);
  else expect(remarks).toEqual([expect.stringMatching(expected)]);
});

test('puts the most severe remark first', () => {
  const memory = limited({ unreclaimable_bytes: 95 * MIB });
  const levels = containerRemarks(aReport({ memory, configured, restart_count: 1 }), 2 ** 30).map(
    ({ severity }) => severity,
  );
  expect(levels).toEqual(['critical', 'warning', 'info']);
});
