import { readConfig } from '../../config/config.ts';
import { rawDefaultRules } from '../../config/defaults.ts';
import { readGuard } from '../../config/guard.ts';
import { otherKillers } from '../../doctor/others.ts';
import type { GuardConfig } from '../../guard/guard-config.ts';
import { openGuard } from '../../guard/open-guard.ts';
import { needsOptions, stepNames } from '../../guard/steps/steps.ts';
import type { Event } from '../../model/events.ts';
import type { GuardMode } from '../../model/guard.ts';
import { Output } from '../../render/output.ts';
import { renderEvent } from '../../render/terminal.ts';
import { printable } from '../../text/printable.ts';
import { alertOption, openAlerts } from '../verb/alert-option.ts';
import { collectGarbage } from '../verb/collect-garbage.ts';
import { paintFor } from '../verb/colour.ts';
import { Exit } from '../verb/exit.ts';
import { duration, flag, type Option, oneOf, optionsHelp, parseOptions, size, text, usage } from '../verb/options.ts';
import { RunUntil } from '../verb/run-until.ts';

const several = <T>(option: Option<T>) => ({ ...option, multiple: true as const });

/** The steps that can be named without options; the others need a configuration file. */
const namedSteps = stepNames.filter((name) => !needsOptions(name));

const options = {
  enforce: flag('act. Without it (and without --shadow) nothing is touched: it says what it would do'),
  shadow: flag('a dry run that compares with whom the kernel then kills (needs what `oomscope trace` needs)'),
  config: text('FILE', 'take the [guard] section of this file; then no other option about rules'),
  when: several(
    text('DETECTOR', "fires when all of these hold: 'available <= 5 %', 'pressure.full.avg10 > 40 % for 10s'"),
  ),
  on: several(text('PLACE', 'look at this: system (the default), containers, or cgroups by path, with * and ?')),
  rank: oneOf('WHAT', 'choose by badness, projected, oom_score, rss, swap, growth or pressure', [
    ...(['badness', 'projected', 'oom_score', 'rss', 'swap', 'growth', 'pressure'] as const),
  ]),
  kill: oneOf('UNIT', 'kill a process (the default), process_group or cgroup', [
    ...(['process', 'process_group', 'cgroup'] as const),
  ]),
  prefer: several(text('REGEX', 'rather those whose name matches (+300 points of 1000)')),
  avoid: several(text('REGEX', 'rather not those (-300 points)')),
  never: several(text('REGEX', 'never those')),
  'min-size': size('SIZE', 'leave alone who has less memory (16M)'),
  steps: text('LIST', `what is done, with commas: ${namedSteps.join(', ')} (term,kill)`),
  'no-arm': flag('do not have the likely victim signalled from within the kernel (needs what tracing needs)'),
  'state-file': text('PATH', 'write down here what has to be taken back after a crash'),
  alert: alertOption,
  json: flag('JSON Lines on stdout (the default when it is not a terminal)'),
  text: flag('text on stdout (the default on a terminal)'),
  duration: duration('TIME', 'stop after this time'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope guard [options]
       oomscope guard --as-earlyoom [earlyoom's options]

Kills the right process before the kernel kills the wrong one. Without options it is a dry run by two cautious rules: nearly
no memory and no swap left, or everything waiting for memory.

${optionsHelp(options)}

Metrics: available, swap_free, usage (percent or size), pressure.{some,full}.{avg10,avg60,avg300} (percent),
growth (size/s), exhausted_in (time), rounds_left (of 16); "system." before one means that of the system.

Examples:
  oomscope guard                                     what would be done here?
  sudo oomscope guard --enforce
  sudo oomscope guard --enforce --on '/app/*' --when 'available < 32M' --steps notify,kill
  sudo oomscope guard --enforce --when 'available <= 10 %' --when 'swap_free <= 10 %' --avoid '^(Xorg|sshd)$'
  oomscope guard --as-earlyoom -m 10 -s 5 --avoid '(^|/)(init|sshd)$'

Exit codes: 0 ended as asked, 2 bad option or configuration, 77 not permitted. More at once: \`oomscope run --help\`.
`;

type Given = ReturnType<typeof parseOptions<typeof options>>;

export async function run(argv: string[]): Promise<number> {
  if (argv[0] === '--as-earlyoom') return (await import('./as-earlyoom.ts')).run(argv.slice(1));
  const given = parseOptions('guard', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given.json && given.text) throw usage('--json and --text: expected one of them, got both.');
  const config = await configOf(given);
  const asText = given.text ?? (given.json ? false : process.stdout.isTTY === true);
  const paint = paintFor(given['no-color']);

  const startAlerts = await openAlerts(given.alert);
  const ending = new RunUntil();
  const output = new Output({ onClosed: ending.now, onDropped: (dropped) => JSON.stringify({ dropped }) });
  const show = (event: Event) => output.write(asText ? renderEvent(event, paint) : JSON.stringify(event), event.type);

  const opened = await openGuard(config);
  const tracer = config.mode === 'shadow' ? await (await import('../../tracer/tracer.ts')).openTracer() : undefined;
  const alerts = startAlerts?.();
  ending.bySignals('SIGINT', 'SIGTERM');
  opened.guard.events$.subscribe({
    next: (event) => {
      show(event);
      alerts?.take(event);
    },
    error: ending.fail,
  });
  tracer?.oomKills$.subscribe((kill) => {
    show(kill);
    opened.guard.kernelKilled(kill);
  });
  say(config, opened.notes);
  opened.guard.start();
  collectGarbage();
  await ending.comes(given.duration);
  tracer?.close();
  await opened.close();
  await Promise.all([output.end(), alerts?.close()]);
  ending.throwFailure();
  return Exit.ok;
}

async function configOf(given: Given): Promise<GuardConfig> {
  if (given.enforce && given.shadow) throw usage('--enforce and --shadow: expected one of them, got both.');
  const mode: GuardMode | undefined = given.enforce ? 'enforce' : given.shadow ? 'shadow' : undefined;
  const aboutRules = ['when', 'on', 'rank', 'kill', 'prefer', 'avoid', 'never', 'min-size', 'steps'] as const;
  if (given.config !== undefined) {
    const extra = aboutRules.find((name) => [given[name]].flat().length > 0 && [given[name]].flat()[0] !== undefined);
    if (extra) throw usage(`--${extra} and --config: expected one of them, got both.`);
    const { guard } = await readConfig(given.config);
    if (!guard) throw usage(`--config: expected a [guard] section in ${given.config}, got none.`);
    return { ...guard, mode: mode ?? guard.mode };
  }
  return withRules(given, mode ?? 'dry_run');
}

/** The options as a [guard] section, so that they are checked as any other. */
function withRules(given: Given, mode: GuardMode): GuardConfig {
  const named = (patterns: string[]) => (patterns.length > 0 ? patterns.map((comm) => ({ comm })) : undefined);
  const rule = defined({
    on: given.on.length > 0 ? given.on : undefined,
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
  throw usage([...messages].join('\n'));
}

/** "rule[0].min_size" is --min-size. */
const optionOf = (path: string) => (/^(?:rule\[\d+\]\.)?([a-z_]+)/.exec(path)?.[1] ?? path).replaceAll('_', '-');

const defined = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

function say(config: GuardConfig, notes: string[]): void {
  const count = config.policy.rules.length;
  const how = {
    dry_run: 'a dry run: nothing is touched',
    shadow: 'in the shadow of the kernel: nothing is touched',
    enforce: 'enforcing',
  }[config.mode];
  tell(`guarding by ${count} rule${count === 1 ? '' : 's'}, ${how}. Press Ctrl-C to stop.`);
  for (const note of [...notes, ...otherKillers()]) tell(note);
}

const tell = (sentence: string) => process.stderr.write(`oomscope: ${printable(sentence)}\n`);
