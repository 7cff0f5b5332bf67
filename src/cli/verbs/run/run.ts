import { existsSync } from 'node:fs';
import { chooseFile, SERVICE_FILES } from '../../../config/choose-file.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { duration, flag, several, text, usage } from '../../verb/options.ts';
import { realtimeOption } from '../../verb/realtime.ts';

const options = {
  config: several(
    text(
      'FILE',
      'the configuration, in TOML; this option is required; of several files, the first that exists is read',
    ),
  ),
  'drop-capabilities': flag(
    'after the start, give up the capabilities that only the start needs, for programs that it runs, too; the systemd unit has this option',
  ),
  realtime: realtimeOption,
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
};

export const verb = defineVerb({
  description: [
    'Traces OOM kills, watches memory pressure, sends alerts and runs the guard, as the configuration file says. `oomscope config print` shows all settings.',
    'On SIGHUP the daemon reads the file again. If the file has faults, the daemon keeps the old configuration and writes the faults to stderr. The daemon tells systemd when it is ready and that it is alive (Type=notify, WatchdogSec=).',
  ],
  options,
  format: 'records',
  examples: [
    { command: 'oomscope config print > /etc/oomscope.toml', about: 'Create a file with all settings.' },
    { command: 'sudo oomscope run --config /etc/oomscope.toml', about: 'Run in the foreground.' },
    {
      command: 'sudo oomscope run --config /etc/oomscope.toml --text --duration 1m',
      about: 'Try a configuration for a minute, with readable output.',
    },
    {
      command: 'sudo oomscope systemd install --config /etc/oomscope.toml --now',
      about: 'Run the daemon as a service.',
    },
  ],
  exits: {
    ok: true,
    usage: true,
    noInput: 'the configuration file is missing',
    unavailable: 'this kernel or installation cannot trace',
    noPermission: true,
  },
  run,
});

async function run({ given, asked, paint }: Context<typeof options>): Promise<number> {
  if (given.config.length === 0) {
    const { file } = chooseFile(SERVICE_FILES);
    const hint = existsSync(file) ? `; the service has ${file}` : ': begin one with `oomscope config print`';
    throw usage(`--config: expected the configuration file, got none${hint}.`);
  }
  const { runDaemon } = await import('./daemon.ts');
  return runDaemon({
    files: given.config,
    durationMs: given.duration,
    format: asked,
    paint,
    realtime: given.realtime ?? false,
    dropCapabilities: given['drop-capabilities'] ?? false,
  });
}
