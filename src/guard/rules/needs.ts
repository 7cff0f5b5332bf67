/** What the rules read about processes that is not in every recording. */
import type { Sample } from '../../model/sample.ts';
import type { PolicyOptions } from './rule.ts';

export type Needed = 'oom_score' | 'exe' | 'cmdline' | 'cwd' | 'environ';

/** The values that the rules read, each with what reads it, for a message: 'rule "web"'. */
export function needsOf({ rules, protect }: PolicyOptions): Map<Needed, string> {
  const needs = new Map<Needed, string>();
  const add = (needed: Needed, by: string) => needs.set(needed, needs.get(needed) ?? by);
  const all = [
    ...rules.map(({ name, preferences, never }) => ({
      by: `rule "${name}"`,
      matches: [...preferences.map(({ match }) => match), ...never],
    })),
    { by: '`protect`', matches: protect },
  ];
  for (const { name, rank } of rules) if (rank === 'oom_score') add('oom_score', `rule "${name}"`);
  for (const { by, matches } of all) {
    if (matches.some(({ exe }) => exe)) add('exe', by);
    for (const name of ['cmdline', 'cwd', 'environ'] as const) {
      if (matches.some((match) => match[name])) add(name, by);
    }
  }
  return needs;
}

/** The values that no process of a sample has. undefined: the sample has no process that could tell. */
export function missingIn({ processes }: Sample): Needed[] | undefined {
  const alive = (processes ?? []).filter(({ kernel_thread, dying }) => !kernel_thread && !dying);
  if (alive.length === 0) return undefined;
  return (['oom_score', 'exe', 'cmdline', 'cwd', 'environ'] as const).filter((name) =>
    alive.every((one) => (one[name] ?? null) === null),
  );
}
