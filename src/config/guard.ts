/** The [guard] section: how the guard runs, its rules, and the processes that it never kills. */
import type { GuardConfig } from '../guard/guard-config.ts';
import { checkRules } from './check-rules.ts';
import { defaultProtection, rawDefaultRules } from './defaults.ts';
import { Faults } from './fault.ts';
import { match } from './match.ts';
import { rule } from './rule.ts';
import {
  choice,
  durationFrom,
  field,
  list,
  MOST_ITEMS,
  optional,
  type Shape,
  table,
  text,
  whole,
  yesOrNo,
} from './shape.ts';

const guardTable = table({
  mode: field(choice('dry_run', 'shadow', 'enforce'), 'dry_run', 'only "enforce" changes anything on the machine'),
  rule: optional(list(rule, 1, MOST_ITEMS), 'when to act, and by which steps; by default cautious rules'),
  protect: field(list(match, 0, MOST_ITEMS), [], 'processes that no rule kills'),
  default_protection: field(
    yesOrNo,
    true,
    'never kill programs without which the machine is not usable: systemd, sshd, dockerd, …',
  ),
  kills_per_minute: field(whole(1, 1000), 10, 'largest number of killed processes in any 60 s'),
  raise_score: field(yesOrNo, true, "raise the likely victim's oom_score_adj while memory is short, and restore it"),
  arm: field(yesOrNo, true, 'let the kernel signal the likely victim if memory runs out faster than rules are checked'),
  lock_memory: field(yesOrNo, true, 'lock the memory of the guard itself'),
  realtime_priority: field(
    whole(0, 99),
    1,
    'SCHED_RR priority of the guard, which then runs before all processes that reclaim memory and may use memory reserves of the kernel; on a machine with one CPU it is SCHED_DEADLINE with 4 of every 6 ms; 0: normal scheduling',
  ),
  state_file: optional(
    text,
    'file that records the changes that a restart must undo after a crash (default: a file in /run/oomscope)',
  ),
  fastest: field(durationFrom(1, 60_000), 10, 'shortest interval between two samples'),
});

export const guardShape: Shape<GuardConfig> = {
  schema: guardTable.schema,
  read(value, path, faults) {
    const given = guardTable.read(value, path, faults);
    if (!given) return undefined;
    if (given.rule) checkRules(given.rule, path === '' ? 'rule' : `${path}.rule`, faults);
    return {
      mode: given.mode,
      policy: {
        rules: given.rule ?? list(rule).read(rawDefaultRules, 'rule', new Faults()) ?? [],
        killsPerMinute: given.kills_per_minute,
        protect: [...(given.default_protection ? defaultProtection() : []), ...given.protect],
      },
      raiseScore: given.raise_score,
      arm: given.arm,
      lockMemory: given.lock_memory,
      realtimePriority: given.realtime_priority,
      stateFile: given.state_file,
      fastestMs: given.fastest,
    };
  },
};

/** Reads a [guard] section that comes from options of the command line or from the configuration of another program. */
export function readGuard(section: Record<string, unknown>): {
  /** undefined when there are faults. */
  guard: GuardConfig | undefined;
  faults: Faults['list'];
} {
  const faults = new Faults();
  const guard = guardShape.read(section, '', faults);
  return { guard: faults.list.length === 0 ? guard : undefined, faults: faults.list };
}
