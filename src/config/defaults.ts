/**
 * The rules and the protected processes that the guard uses by default. The rules are cautious: they act only when very
 * little memory is left.
 */
import { Pattern } from '../guard/rules/pattern.ts';
import type { Match } from '../guard/rules/rule.ts';
import { survivorsOf } from '../survivors/survivors.ts';

/**
 * By default the guard never kills the programs that a user needs to use the machine: system services, programs for
 * logging in, the desktop, container runtimes. It may kill the main process of a container, which the runtime restarts,
 * and databases: a rule can exempt those.
 */
export function defaultProtection(): Match[] {
  const names = survivorsOf('access', 'system', 'containers', 'desktop').map(({ comm }) => comm);
  const pattern = new Pattern(`^(${names.join('|')})$`);
  return [{ text: `comm ${pattern.source}`, comm: pattern }];
}

/**
 * The default rules, in the form of the configuration file. A percentage of `available` leaves out shared memory and
 * files of a tmpfs: a virtual machine or a database may hold most of a machine in these for months. So where a leak of
 * shared memory fills a machine, the first rule fires late or not at all. There the second rule ends the process that takes the
 * rest, and no other: without such a process, it does nothing (docs/proofs/shortages.md). It needs no SIGTERM, because at 3 % of
 * the memory the first rule sends SIGKILL as well. A cgroup may be full for years and never need more, so the rule about cgroups also
 * asks whether the rest of its memory will last.
 */
export const rawDefaultRules = [
  {
    name: 'memory and swap run out',
    when: ['available <= 10 %', 'swap_free <= 10 %'],
    rank: 'projected',
    steps: [
      { do: 'notify' },
      { do: 'term', wait: '5s' },
      { do: 'kill', at_once: ['available <= 5 %', 'swap_free <= 5 %'] },
    ],
  },
  {
    name: 'the last memory is being taken',
    when: ['available <= 16M', 'usage >= 97 %', 'swap_free <= 10 %', 'exhausted_in <= 5s for 200ms'],
    rank: 'projected',
    min_growth: '50 %',
    steps: [{ do: 'notify' }, { do: 'kill' }],
  },
  {
    name: 'everything waits for memory',
    when: ['pressure.full.avg10 >= 60 % for 10s', 'available <= 15 %'],
    steps: [{ do: 'notify' }, { do: 'term', wait: '5s' }, { do: 'kill' }],
  },
  {
    name: 'a cgroup runs full',
    on: 'limited',
    when: ['available <= 5 % for 300ms', 'swap_free <= 10 %', 'exhausted_in <= 2s'],
    rank: 'projected',
    steps: [
      { do: 'notify' },
      { do: 'term', wait: '2s' },
      { do: 'kill', at_once: ['available <= 2 %', 'swap_free <= 5 %'] },
    ],
  },
];
