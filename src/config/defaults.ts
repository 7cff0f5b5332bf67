/** The defaults of the guard where the user gives no rules: it does little, and late. */
import { Pattern } from '../guard/rules/pattern.ts';
import type { Match } from '../guard/rules/rule.ts';
import { survivorsOf } from '../survivors/survivors.ts';

/**
 * The guard spares what a machine cannot be used without: the ways in, the desktop, the container runtimes. It does not
 * spare a container's main process, which its runtime restarts, nor databases, which a rule can name.
 */
export function defaultProtection(): Match[] {
  const names = survivorsOf('access', 'system', 'containers', 'desktop').map(({ comm }) => comm);
  const pattern = new Pattern(`^(${names.join('|')})$`);
  return [{ text: `comm ${pattern.source}`, comm: pattern }];
}

/** The default rules, written as in the file. */
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
    name: 'everything waits for memory',
    when: ['pressure.full.avg10 >= 60 % for 10s', 'available <= 15 %'],
    steps: [{ do: 'notify' }, { do: 'term', wait: '5s' }, { do: 'kill' }],
  },
];
