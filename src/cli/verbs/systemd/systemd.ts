import { defineGroup } from '../../verb/define-group.ts';
import { type Context, type Declaration, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, flag, text, usage } from '../../verb/options.ts';

const DIRECTORY = '/etc/systemd/system';
const CONFIG = '/etc/oomscope.toml';

const config = byDefault(CONFIG, text('FILE', 'the configuration file of the service'));
const directory = byDefault(
  DIRECTORY,
  text('DIR', 'the directory of the unit; if it is not the default, systemctl is not called'),
);
const exits: Declaration<never>['exits'] = {
  ok: true,
  failed: 'systemctl failed',
  usage: 'bad option or configuration, or a unit of this name exists that oomscope did not make',
  noInput: 'the configuration file is missing',
  noPermission: true,
};

const print = defineVerb({
  description: [
    'Prints the systemd unit for `oomscope run`. With this unit the daemon tells systemd when it is ready, is restarted when it hangs, is spared by the OOM killer, reserves its own memory, and has only the privileges that it needs.',
  ],
  options: { config },
  format: 'raw',
  examples: [
    { command: 'oomscope systemd print', about: 'Show the unit.' },
    { command: 'oomscope systemd print > oomscope.service', about: 'Write the unit to a file.' },
    { command: 'oomscope systemd print --config ./oomscope.toml', about: 'Print the unit for another configuration.' },
  ],
  exits: { ok: true, usage: true },
  run: async ({ given }) => {
    const { unitFor, warnOf } = await import('./unit.ts');
    // `print` only shows the unit, so the configuration need not exist yet.
    const unit = await unitFor(given.config ?? CONFIG, { mayBeMissing: true });
    warnOf(unit);
    process.stdout.write(unit.text);
    return Exit.ok;
  },
});

const installOptions = { config, directory, now: flag('enable and start the service as well') };

const install = defineVerb({
  description: [
    'Installs the systemd unit for `oomscope run`. An existing unit of this name that oomscope did not make is not replaced.',
    'Refuses a unit that could not start, because systemd hides its code or its files from it, and a unit that would run code which other users can write.',
  ],
  options: installOptions,
  format: 'raw',
  examples: [
    { command: 'sudo oomscope systemd install', about: `Install the unit for ${CONFIG}.` },
    {
      command: 'sudo oomscope systemd install --config /etc/oomscope.toml --now',
      about: 'Install the unit and start the service.',
    },
    { command: 'oomscope systemd install --directory ./units', about: 'Write the unit into another directory.' },
  ],
  exits,
  run: async ({ given }: Context<typeof installOptions>) => {
    if (given.now && given.directory !== undefined) {
      throw usage(
        '--now and --directory: expected one of them, got both; systemd starts units of its own directories only.',
      );
    }
    const { installUnit, unitFor } = await import('./unit.ts');
    const unit = await unitFor(given.config ?? CONFIG, { mayBeMissing: false });
    return installUnit(given.directory ?? DIRECTORY, unit, {
      systemctl: given.directory === undefined,
      now: given.now ?? false,
    });
  },
});

const remove = defineVerb({
  description: ['Stops and disables the service, and removes the unit that `oomscope systemd install` wrote.'],
  options: { directory },
  format: 'raw',
  examples: [
    { command: 'sudo oomscope systemd remove', about: 'Remove the service.' },
    { command: 'oomscope systemd remove --directory ./units', about: 'Remove the unit from another directory.' },
  ],
  exits,
  run: async ({ given }) => {
    const { removeUnit } = await import('./unit.ts');
    return removeUnit(given.directory ?? DIRECTORY, { systemctl: given.directory === undefined });
  },
});

export const verb = defineGroup({
  verbs: {
    print: { about: 'print the unit', load: async () => ({ verb: print }) },
    install: { about: 'install the unit, and start the service if asked', load: async () => ({ verb: install }) },
    remove: { about: 'stop the service, and remove the unit', load: async () => ({ verb: remove }) },
  },
  noun: 'ACTION',
  description: ['Prints, installs or removes the systemd unit for `oomscope run`.'],
});
