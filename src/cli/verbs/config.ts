import { chooseFile, SERVICE_FILES } from '../../config/choose-file.ts';
import type { GuardConfig } from '../../guard/guard-config.ts';
import { OomscopeError } from '../../model/error.ts';
import { printable } from '../../text/printable.ts';
import { defineGroup } from '../verb/define-group.ts';
import { type Context, defineVerb } from '../verb/define-verb.ts';
import { Exit } from '../verb/exit.ts';
import { flag, type Option, usage } from '../verb/options.ts';
import { tell } from '../verb/tell.ts';

const fileExits = { ok: true, usage: 'bad option, or the file has faults', noInput: 'FILE is missing' } as const;

const HIDDEN = '# URLs end with "…" here, because their rest may be a secret.\n\n';
const MOST_IMPORT = 256 * 1024;

const check = defineVerb({
  description: ['Checks a configuration of `oomscope run`, and prints all faults at once, each with its line.'],
  words: {
    name: 'FILE',
    most: 1,
    about: `the configuration, in TOML; by default the one of the service, ${SERVICE_FILES.join(' or ')}`,
  },
  options: {},
  format: 'raw',
  examples: [
    { command: 'oomscope config check /etc/oomscope.toml', about: 'Check a file.' },
    {
      command: 'oomscope config check /etc/oomscope.toml &&\n  systemctl reload oomscope',
      about: 'Reload the service only when the file has no faults.',
    },
    {
      command: 'oomscope config print > oomscope.toml && oomscope config check oomscope.toml',
      about: 'Check a copy of the defaults.',
    },
  ],
  exits: fileExits,
  run: async ({ words: [given] }) => {
    const file = given ?? chooseFile(SERVICE_FILES).file;
    const { readConfig } = await import('../../config/config.ts');
    const { guard } = await readConfig(file);
    if (guard) for (const note of await notesHere(guard)) tell(`On this machine, ${note}.`);
    process.stdout.write(`${printable(file)} has no faults.\n`);
    return Exit.ok;
  },
});

/** What the rules of a guard cannot see or do on this machine. */
async function notesHere({ policy: { rules, protect } }: GuardConfig): Promise<string[]> {
  const [{ Sampler }, { startNotes }] = await Promise.all([
    import('../../guard/senses/sampler.ts'),
    import('../../guard/start-notes.ts'),
  ]);
  using sampler = new Sampler({ rules, protect });
  return startNotes(rules, sampler.levels());
}

const print = defineVerb({
  description: ['Prints all settings of FILE, defaults included. Without FILE it prints the defaults.'],
  words: { name: 'FILE', most: 1, about: 'the configuration, in TOML' },
  options: {},
  format: 'raw',
  examples: [
    { command: 'oomscope config print > oomscope.toml', about: 'Begin a configuration.' },
    {
      command: 'oomscope config print /etc/oomscope.toml',
      about: 'Show all settings that are in effect with a configuration.',
    },
    { command: 'oomscope config print | grep -A3 pressure', about: 'Look up some defaults.' },
  ],
  exits: fileExits,
  run: async ({ words: [file] }) => {
    const [{ parseConfig, readConfig }, { writeConfig }, { withoutUrlSecret }] = await Promise.all([
      import('../../config/config.ts'),
      import('../../config/write.ts'),
      import('../../alerts/open.ts'),
    ]);
    const config = await (file === undefined ? parseConfig('[guard]', 'the defaults') : readConfig(file));
    // URLs of sinks contain tokens, and users often show the printed configuration to others.
    const alert = config.alert.map(withoutUrlSecret);
    const hidden = alert.some(({ target }, i) => target !== config.alert[i]?.target);
    process.stdout.write(`${hidden ? HIDDEN : ''}${writeConfig({ ...config, alert })}`);
    return Exit.ok;
  },
});

const schema = defineVerb({
  description: ['Prints the JSON Schema of the configuration, for editors.'],
  options: {},
  format: 'raw',
  examples: [
    { command: 'oomscope config schema > oomscope.schema.json', about: 'Write the schema to a file.' },
    { command: "oomscope config schema | jq '.properties | keys'", about: 'List the sections.' },
    { command: "oomscope config schema | jq '.properties.pressure'", about: 'Show the settings of a section.' },
  ],
  exits: { ok: true, usage: true },
  run: async () => {
    const { configSchema } = await import('../../config/config.ts');
    process.stdout.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
    return Exit.ok;
  },
});

const importFrom = defineVerb({
  description: [
    'Converts the configuration of another early killer into one of oomscope, and prints it. Comments in it name the settings that could not be converted. The guard only does a dry run until you set mode = "enforce".',
  ],
  words: {
    name: 'KILLER FILE',
    least: 1,
    about:
      'earlyoom, systemd-oomd or nohang, and its configuration file; of systemd-oomd also drop-ins, unit files and rulesets',
  },
  options: {
    running: flag(
      "for systemd-oomd: take oomd.conf and the units' ManagedOOM settings from the systemd of this machine; FILE may be left out",
    ),
  },
  format: 'raw',
  examples: [
    { command: 'oomscope config import earlyoom /etc/default/earlyoom', about: 'Convert the options of earlyoom.' },
    {
      command:
        "oomscope config import systemd-oomd /etc/systemd/oomd.conf \\\n  '/etc/systemd/system/user@.service.d/10-oomd.conf'",
      about: 'Convert the configuration of systemd-oomd, and of a unit that it watches.',
    },
    {
      command: 'oomscope config import systemd-oomd --running',
      about: 'Convert what systemd-oomd does on this machine, for the units that run now.',
    },
    {
      command: 'oomscope config import nohang /etc/nohang/nohang.conf > oomscope.toml',
      about: 'Convert the configuration of nohang.',
    },
  ],
  exits: fileExits,
  run: importConfiguration,
});

async function importConfiguration({
  given: { running: isRunning = false },
  words: [from = '', ...paths],
}: Context<{ running: Option<boolean> }>): Promise<number> {
  const [{ importable, importConfig }, { writeGuard }, { machineKib }, { readRegularFile }] = await Promise.all([
    import('../../config/import/import.ts'),
    import('../../config/write.ts'),
    import('../verb/machine.ts'),
    import('../../linux/regular-file.ts'),
  ]);
  const what = importable.find((each) => each === from);
  if (!what) throw usage(`config import: expected one of ${importable.join(', ')}, got "${from}".`);
  if (what !== 'systemd-oomd' && paths.length > 1)
    throw usage(`config import ${what}: expected one file, got ${paths.length}.`);
  if (isRunning && what !== 'systemd-oomd') throw usage(`config import ${what}: --running is for systemd-oomd.`);
  if (!isRunning && paths.length === 0)
    throw usage(`config import: expected a configuration file of ${what}, got none.`);
  const files = paths.map((path) => {
    const { bytes, problem } = readRegularFile(path, MOST_IMPORT);
    if (problem === undefined) return { path, text: bytes.toString() };
    throw new OomscopeError('NO_INPUT', `Expected a configuration in ${printable(path)}: ${problem}.`);
  });
  const running = isRunning
    ? await import('../../config/import/running-units.ts').then(({ readRunning }) => readRunning())
    : undefined;
  if (running) files.unshift({ path: 'oomd.conf', text: running.oomd });
  const { guard, notes } = importConfig(what, files, machineKib(), running?.units);
  const sources = [...(running ? ['the running systemd'] : []), ...paths];
  const lines = [
    `# From ${printable(sources.join(', '))}, for ${what}. A dry run: set mode = "enforce" when what it says is what you want.`,
    ...notes.map((note) => `# Note: ${printable(note)}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n\n${writeGuard(guard)}`);
  return Exit.ok;
}

export const verb = defineGroup({
  verbs: {
    check: { about: 'print all faults of a file', load: async () => ({ verb: check }) },
    print: { about: 'print all settings, with the defaults', load: async () => ({ verb: print }) },
    schema: { about: 'print the JSON Schema of the file', load: async () => ({ verb: schema }) },
    import: { about: 'convert the settings of another early killer', load: async () => ({ verb: importFrom }) },
  },
  noun: 'ACTION',
  description: ['Checks, prints and converts configurations of `oomscope run`.'],
});
