/** A [[guard.rule]]: where to look, when to act, how to choose the victim, and the steps. */
import type { Place, Rule } from '../guard/rules/rule.ts';
import { detector } from './detector.ts';
import { match, preference } from './match.ts';
import {
  choice,
  duration,
  field,
  list,
  MOST_ITEMS,
  needed,
  oneOrMore,
  optional,
  parsed,
  type Shape,
  size,
  table,
  text,
  whole,
  yesOrNo,
} from './shape.ts';
import { defaultSteps, step } from './step.ts';

const place: Shape<Place> = parsed(
  '"system", "containers", "limited", or the path of a cgroup with * and ?',
  (given) => {
    if (given === 'system' || given === 'containers' || given === 'limited') return { kind: given };
    if (given.startsWith('/')) return { kind: 'cgroup', glob: given };
    const expected = 'expected "system", "containers", "limited", or the path of a cgroup that begins with "/"';
    throw new Error(`${expected}, got "${given}".`);
  },
);

const share: Shape<number> = parsed('a percentage from "0 %" to "100 %"', (given) => {
  const percent = Number(/^(\d+(?:\.\d+)?) ?%$/.exec(given)?.[1]);
  if (percent <= 100) return percent / 100;
  throw new Error(`expected a percentage from "0 %" to "100 %", got "${given}".`);
});

const ruleTable = table({
  name: needed(text, 'name of the rule in events'),
  on: field(
    oneOrMore(place),
    [{ kind: 'system' }],
    'what the rule watches; it fires for each cgroup separately; "limited": every cgroup with a limit',
  ),
  when: needed(list(detector, 1, MOST_ITEMS), 'the rule fires while all of these hold'),
  rank: field(
    choice('badness', 'projected', 'oom_score', 'rss', 'swap', 'growth', 'pressure'),
    'badness',
    'the process or unit with the highest value of this measure is the victim',
  ),
  kill: field(choice('process', 'process_group', 'cgroup'), 'process', 'what is killed as a unit'),
  prefer: field(list(preference, 0, MOST_ITEMS), [], 'processes that are more likely to be chosen'),
  avoid: field(list(preference, 0, MOST_ITEMS), [], 'processes that are less likely to be chosen'),
  never: field(list(match, 0, MOST_ITEMS), [], 'processes that this rule never chooses'),
  min_size: optional(
    size,
    'ignore processes with less memory than this (default: 16M, and in a cgroup at most 5 % of its limit)',
  ),
  min_points: optional(whole(-2000, 2000), 'ignore processes with fewer points than this'),
  min_growth: field(
    share,
    0,
    'ignore processes that take less than this share of the memory which is being lost, as in "50 %"; 0 %: growth does not matter',
  ),
  ignore_positive_adj: field(yesOrNo, false, 'treat an oom_score_adj above 0 as 0'),
  oom_group: field(yesOrNo, true, 'kill the whole cgroup where memory.oom.group is set'),
  steps: field(
    list(step, 1, MOST_ITEMS),
    defaultSteps,
    'steps, taken one after another until memory is no longer short',
  ),
  cool_down: field(duration, 200, 'pause of the rule after it has taken its steps'),
  undo_after: field(duration, 30_000, 'time between the end of the shortage and the undoing of throttle and freeze'),
});

export const rule: Shape<Rule> = {
  schema: ruleTable.schema,
  read(value, path, faults) {
    const given = ruleTable.read(value, path, faults);
    if (!given) return undefined;
    const { name, on, when, rank, never, steps } = given;
    return {
      ...{ name, on, when, rank, never, steps },
      unit: given.kill,
      preferences: [...given.prefer, ...given.avoid.map((avoided) => ({ ...avoided, points: -avoided.points }))],
      minBytes: given.min_size,
      minPoints: given.min_points ?? Number.NEGATIVE_INFINITY,
      minGrowthShare: given.min_growth,
      ignorePositiveAdj: given.ignore_positive_adj,
      honourOomGroup: given.oom_group,
      coolDownMs: given.cool_down,
      undoAfterMs: given.undo_after,
    };
  },
};
