import { existsSync } from 'node:fs';
import type { Feature } from '../../../linux/rights.ts';
import { OomscopeError } from '../../../model/error.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, oneOf, text } from '../../verb/options.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

const options = {
  all: flag('show each finding with its reason, and the hook of each kernel program'),
  unit: text('FILE', 'judge with the capabilities that this systemd unit gives its service; needs root'),
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
      command: 'sudo oomscope doctor --unit /etc/systemd/system/oomscope.service',
      about: 'Check whether the rights of the service are enough on this kernel.',
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
    badInput: 'the file of --unit is no unit of a service',
    noInput: 'the file of --unit is missing',
    noPermission: 'this process lacks capabilities that the unit gives',
  },
  run,
});

async function run({ given, asText, paint }: Context<typeof options>): Promise<number> {
  const [{ atLeast, diagnose }, { renderDiagnosis }] = await Promise.all([
    import('../../../doctor/diagnose.ts'),
    import('./view.ts'),
  ]);
  const wanted = given.unit === undefined ? undefined : await takeRightsOf(given.unit);
  const diagnosis = diagnose(wanted);
  const columns = Math.min(terminalColumns(process.stdout, 100), 100);
  process.stdout.write(
    asText
      ? renderDiagnosis(diagnosis, { all: given.all ?? false, columns, paint })
      : `${JSON.stringify(diagnosis, null, 2)}\n`,
  );
  const bad = given['fail-on'] !== undefined && atLeast(diagnosis.worst, given['fail-on']);
  return diagnosis.can_trace && !bad ? Exit.ok : Exit.failed;
}

/**
 * Gives this process the rights of the unit's service, so that the checks load the real programs with them.
 *
 * @returns what the service is to do
 * @throws OomscopeError NO_INPUT, BAD_INPUT; NOT_PERMITTED: this process has fewer rights than the service
 */
async function takeRightsOf(path: string): Promise<ReadonlySet<Feature>> {
  const [{ readUnitRights }, { effectiveCapabilities }, { limitCapabilities }] = await Promise.all([
    import('../../../doctor/unit.ts'),
    import('../../../linux/capabilities.ts'),
    import('../../../linux/rights.ts'),
  ]);
  const { capabilities, config } = readUnitRights(path);
  const wanted = await featuresFor(config);
  const have = effectiveCapabilities();
  const lacking = capabilities.filter((name) => !have.has(name));
  if (lacking.length > 0) {
    const message = `--unit: this process lacks ${lacking.join(', ')}, which the unit gives its service: run it as root (sudo).`;
    throw new OomscopeError('NOT_PERMITTED', message);
  }
  limitCapabilities(capabilities);
  return wanted;
}

/** @param config the file after --config in ExecStart=. Without it, or if it does not exist yet: everything. */
async function featuresFor(config: string | undefined): Promise<ReadonlySet<Feature>> {
  if (config === undefined || !existsSync(config)) return new Set<Feature>(['watching', 'guarding', 'arming']);
  const [{ readConfig }, { featuresOf }] = await Promise.all([
    import('../../../config/config.ts'),
    import('../../../config/features.ts'),
  ]);
  return featuresOf(await readConfig(config));
}
