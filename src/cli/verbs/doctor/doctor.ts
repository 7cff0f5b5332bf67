import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, oneOf } from '../../verb/options.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

const options = {
  all: flag('show each finding with its reason, and the hook of each kernel program'),
  'fail-on': oneOf('SEVERITY', 'exit with 1 when a finding is at least this severe', ['warning', 'critical'] as const),
};

export const verb = defineVerb({
  description: [
    'Checks whether tracing works on this machine, and what would go wrong when memory runs out. It looks at kernel settings, overcommit, swap, pressure, cgroups without limits, processes that are or should be protected, and other early killers. Each finding comes with its reason and a remedy.',
    'Changes nothing, and needs no privilege.',
  ],
  options,
  format: 'document',
  json: 'write one JSON object',
  examples: [
    { command: 'oomscope doctor', about: 'Check this machine.' },
    { command: 'oomscope doctor --all', about: 'Show the reason of every finding.' },
    {
      command: 'oomscope doctor --json |\n  jq \'.findings[] | select(.severity == "critical")\'',
      about: 'Print the critical findings.',
    },
    {
      command: "oomscope doctor --fail-on critical > /dev/null ||\n  echo 'look at this machine'",
      about: 'Use the verb in a script.',
    },
  ],
  exits: {
    ok: 'tracing works here and now',
    failed: 'tracing does not work, or a finding is as severe as --fail-on',
    usage: true,
  },
  run,
});

async function run({ given, asText, paint }: Context<typeof options>): Promise<number> {
  const [{ atLeast, diagnose }, { renderDiagnosis }] = await Promise.all([
    import('../../../doctor/diagnose.ts'),
    import('./view.ts'),
  ]);
  const diagnosis = diagnose();
  const columns = Math.min(terminalColumns(process.stdout, 100), 100);
  process.stdout.write(
    asText
      ? renderDiagnosis(diagnosis, { all: given.all ?? false, columns, paint })
      : `${JSON.stringify(diagnosis, null, 2)}\n`,
  );
  const bad = given['fail-on'] !== undefined && atLeast(diagnosis.worst, given['fail-on']);
  return diagnosis.can_trace && !bad ? Exit.ok : Exit.failed;
}
