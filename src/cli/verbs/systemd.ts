import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { needNetwork } from '../../alerts/sink-table.ts';
import { readConfig } from '../../config/config.ts';
import { MADE_HERE, systemdUnit } from '../../config/import/systemd-unit.ts';
import { OomscopeError } from '../../model/error.ts';
import { printable } from '../../text/printable.ts';
import { Exit } from '../verb/exit.ts';
import { flag, optionsHelp, parseOptions, text, usage } from '../verb/options.ts';

const options = {
  config: text('FILE', 'what it runs by (/etc/oomscope.toml)'),
  directory: text('DIR', 'where units are (/etc/systemd/system)'),
  now: flag('install: enable and start it, too'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope systemd print|install|remove [options]

A unit for \`oomscope run\`: ready when it watches, restarted when it hangs, spared by the OOM killer, with its own memory, and
with no more rights than it needs.

${optionsHelp(options)}

Examples:
  oomscope systemd print > oomscope.service
  sudo oomscope systemd install --config /etc/oomscope.toml --now
  sudo oomscope systemd remove

Exit codes: 0 done, 1 systemctl refused, 2 bad option or configuration, 77 not permitted.
`;

const NAME = 'oomscope.service';
/** V8 alone would take up to half of the machine's memory before it collects in earnest. */
const NODE_OPTIONS = ['--max-old-space-size=64'];

const tell = (sentence: string) => process.stderr.write(`oomscope: ${printable(sentence)}\n`);

export async function run([what, ...argv]: string[]): Promise<number> {
  if (what === '--help') {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (what !== 'print' && what !== 'install' && what !== 'remove') {
    throw usage(`Expected print, install or remove, got ${what === undefined ? 'nothing' : `"${what}"`}.`);
  }
  const given = parseOptions('systemd', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const path = join(given.directory ?? '/etc/systemd/system', NAME);
  const isOurs = given.directory === undefined;
  if (what === 'remove') return remove(path, isOurs);
  const config = resolve(given.config ?? '/etc/oomscope.toml');
  // Printing is for reading: it need not be there yet.
  const needs =
    what === 'print' && !existsSync(config) ? { guards: true, network: true, realtime: true } : await needsOf(config);
  const command = [process.execPath, ...NODE_OPTIONS, resolve(process.argv[1] ?? ''), 'run', '--config', config];
  const unit = systemdUnit({ command, ...needs });
  if (what === 'print') {
    process.stdout.write(unit);
    return Exit.ok;
  }
  return install(path, unit, isOurs, given.now ?? false);
}

async function needsOf(file: string) {
  const { guard, alert } = await readConfig(file);
  return {
    guards: guard !== undefined,
    network: needNetwork(alert),
    realtime: (guard?.realtimePriority ?? 0) > 0,
  };
}

function install(path: string, unit: string, isOurs: boolean, now: boolean): number {
  refuseForeign(path);
  permitted(path, () => writeFileSync(path, unit, { mode: 0o644 }));
  tell(`wrote ${path}.`);
  if (!isOurs) return Exit.ok;
  if (!systemctl('daemon-reload')) return Exit.failed;
  if (now) return systemctl('enable', '--now', NAME) ? Exit.ok : Exit.failed;
  tell(`start it by: systemctl enable --now ${NAME}`);
  return Exit.ok;
}

function remove(path: string, isOurs: boolean): number {
  if (!existsSync(path)) {
    tell(`there is no ${path}: nothing to remove.`);
    return Exit.ok;
  }
  refuseForeign(path);
  const stopped = !isOurs || systemctl('disable', '--now', NAME);
  permitted(path, () => rmSync(path));
  tell(`removed ${path}.`);
  return stopped && (!isOurs || systemctl('daemon-reload')) ? Exit.ok : Exit.failed;
}

/** Somebody may have written one by hand. */
function refuseForeign(path: string): void {
  if (!existsSync(path) || readFileSync(path, 'utf8').startsWith(MADE_HERE)) return;
  throw new OomscopeError('USAGE', `${path} was not made by \`oomscope systemd\`: expected to find no such file.`);
}

function permitted(path: string, act: () => void): void {
  try {
    act();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const kind = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'NOT_PERMITTED' : 'USAGE';
    throw new OomscopeError(kind, `${path} cannot be written: ${code}.`, { cause });
  }
}

function systemctl(...args: string[]): boolean {
  const { status, error, stderr } = spawnSync('systemctl', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status === 0) return true;
  tell(`systemctl ${args.join(' ')}: ${error ? (error as NodeJS.ErrnoException).code : stderr.trim()}`);
  return false;
}
