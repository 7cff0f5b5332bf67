/** The options of `oomscope guard`, and the rules made from them. */
import type { GuardConfig } from '../../../guard/guard-config.ts';
import { needsOptions, stepNames } from '../../../guard/steps/steps.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { GuardMode } from '../../../model/guard.ts';
import { printable } from '../../../text/printable.ts';
import { liveOptions } from '../../verb/live.ts';
import { byDefault, flag, oneOf, several, size, text, usage, type Values } from '../../verb/options.ts';

/** The steps that can be used without options. The other steps need a configuration file. */
const namedSteps = stepNames.filter((name) => !needsOptions(name));

const ranks = ['badness', 'projected', 'oom_score', 'rss', 'swap', 'growth', 'pressure'] as const;
const units = ['process', 'process_group', 'cgroup'] as const;

export const options = {
  enforce: flag(
    'act on processes; without this option and --shadow, oomscope changes nothing and only says what it would do',
  ),
  shadow: flag(
    'do a dry run, and compare it with the kills of the kernel; needs the same privileges as `oomscope trace`',
  ),
  ask: flag('ask at the terminal which process shall end; the guard itself does a dry run'),
  config: text('FILE', 'take the rules from the [guard] section of this file, instead of from options'),
  when: several(
    text('DETECTOR', "act when all detectors hold: 'available <= 5 %', 'pressure.full.avg10 > 40 % for 10s'"),
  ),
  cgroup: byDefault(
    'system',
    several(
      text(
        'GLOB',
        'guard these memory cgroups, each by itself; "containers" stands for every container, "limited" for every cgroup with a limit, "system" for the whole machine',
      ),
    ),
  ),
  rank: byDefault('badness', oneOf('BY', 'choose the process with the highest value of this', ranks)),
  kill: byDefault('process', oneOf('UNIT', 'what to kill together', units)),
  prefer: several(text('REGEX', 'prefer processes whose name matches this regular expression: +300 of 1000 points')),
  avoid: several(text('REGEX', 'avoid processes whose name matches this regular expression: -300 points')),
  never: several(text('REGEX', 'never choose processes whose name matches this regular expression')),
  'try-pattern': text('REGEX', 'only list the processes whose name this regular expression matches now'),
  'min-size': byDefault(
    '16M, in a cgroup at most 5 % of its limit',
    size('SIZE', 'ignore processes smaller than this'),
  ),
  steps: byDefault('term,kill', text('LIST', `steps in order, with commas: ${namedSteps.join(', ')}`)),
  'no-arm': flag(
    'do not let a BPF program in the kernel signal the likely victim; it needs the same privileges as tracing',
  ),
  'state-file': text('FILE', 'file for changes that must be undone after a crash (for root, in /run/oomscope)'),
  ...liveOptions,
};

export type Given = Values<typeof options>;

/** @throws OomscopeError USAGE, CONFIG, NO_INPUT */
export async function configOf(given: Given): Promise<GuardConfig> {
  if (given.enforce && given.shadow) throw usage('--enforce and --shadow: expected one of them, got both.');
  if (given.ask && (given.enforce || given.shadow))
    throw usage(`--ask and --${given.enforce ? 'enforce' : 'shadow'}: expected one of them, got both.`);
  const mode: GuardMode | undefined = given.enforce
    ? 'enforce'
    : given.shadow
      ? 'shadow'
      : given.ask
        ? 'dry_run'
        : undefined;
  const aboutRules = ['when', 'cgroup', 'rank', 'kill', 'prefer', 'avoid', 'never', 'min-size', 'steps'] as const;
  if (given.config === undefined) return withRules(given, mode ?? 'dry_run');
  const extra = aboutRules.find((name) => [given[name]].flat().some((value) => value !== undefined));
  if (extra) throw usage(`--${extra} and --config: expected one of them, got both.`);
  const { readConfig } = await import('../../../config/config.ts');
  const { guard } = await readConfig(given.config);
  if (!guard) throw usage(`--config: expected a [guard] section in ${given.config}, got none.`);
  return { ...guard, mode: mode ?? guard.mode };
}

/** Turns the options into a [guard] section, so that the same checks apply as for a file. */
async function withRules(given: Given, mode: GuardMode): Promise<GuardConfig> {
  const [{ readGuard }, { rawDefaultRules }] = await Promise.all([
    import('../../../config/guard.ts'),
    import('../../../config/defaults.ts'),
  ]);
  const named = (patterns: string[]) => (patterns.length > 0 ? patterns.map((comm) => ({ comm })) : undefined);
  const rule = defined({
    on: given.cgroup.length > 0 ? given.cgroup : undefined,
    rank: given.rank,
    kill: given.kill,
    prefer: named(given.prefer),
    avoid: named(given.avoid),
    never: named(given.never),
    min_size: given['min-size'] === undefined ? undefined : String(given['min-size']),
    steps: given.steps?.split(',').map((name) => ({ do: name.trim() })),
  });
  const rules =
    given.when.length > 0
      ? [{ name: 'the command line', when: given.when, ...rule }]
      : rawDefaultRules.map((cautious) => ({ ...cautious, ...rule }));
  const { guard, faults } = readGuard(
    defined({ mode, rule: rules, state_file: given['state-file'], arm: given['no-arm'] ? false : undefined }),
  );
  if (guard) return guard;
  const messages = new Set(faults.map(({ path, message }) => `--${optionOf(path)}: ${message}`));
  throw new OomscopeError('USAGE', [...messages].map(printable).join('\n'));
}

/** The option that a path of a setting comes from: "rule[0].min_size" comes from --min-size. */
function optionOf(path: string): string {
  const name = /^(?:rule\[\d+\]\.)?([a-z_]+)/.exec(path)?.[1] ?? path;
  return name === 'on' ? 'cgroup' : name.replaceAll('_', '-');
}

const defined = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
