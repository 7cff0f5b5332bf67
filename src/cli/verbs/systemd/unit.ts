/** Makes the systemd unit for `oomscope run`, installs and removes its file, and calls systemctl. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { needNetwork } from '../../../alerts/sink-table.ts';
import { readConfig } from '../../../config/config.ts';
import { MADE_HERE, systemdUnit } from '../../../config/import/systemd-unit.ts';
import { OomscopeError } from '../../../model/error.ts';
import { Exit } from '../../verb/exit.ts';
import { tell } from '../../verb/tell.ts';

const NAME = 'oomscope.service';
/**
 * Without this option, V8 lets its heap grow up to half of the machine's memory before it collects garbage
 * thoroughly.
 */
const NODE_OPTIONS = ['--max-old-space-size=64'];

/** @throws OomscopeError CONFIG, NO_INPUT */
export async function unitFor(file: string, { mayBeMissing }: { mayBeMissing: boolean }): Promise<string> {
  const config = resolve(file);
  const needs =
    mayBeMissing && !existsSync(config) ? { guards: true, network: true, realtime: true } : await needsOf(config);
  const command = [process.execPath, ...NODE_OPTIONS, resolve(process.argv[1] ?? ''), 'run', '--config', config];
  return systemdUnit({ command, ...needs });
}

async function needsOf(file: string) {
  const { guard, alert } = await readConfig(file);
  return {
    guards: guard !== undefined,
    network: needNetwork(alert),
    realtime: (guard?.realtimePriority ?? 0) > 0,
  };
}

/**
 * @param options.systemctl tell systemd about the unit. @param options.now start the service as well
 * @returns the exit code. @throws OomscopeError USAGE, NOT_PERMITTED
 */
export function installUnit(directory: string, unit: string, options: { systemctl: boolean; now: boolean }): number {
  const path = join(directory, NAME);
  refuseForeign(path);
  permitted(path, () => writeFileSync(path, unit, { mode: 0o644 }));
  tell(`Wrote ${path}.`);
  if (!options.systemctl) return Exit.ok;
  if (!systemctl('daemon-reload')) return Exit.failed;
  if (options.now) return systemctl('enable', '--now', NAME) ? Exit.ok : Exit.failed;
  tell(`Start it with: systemctl enable --now ${NAME}`);
  return Exit.ok;
}

/** @returns the exit code. @throws OomscopeError USAGE, NOT_PERMITTED */
export function removeUnit(directory: string, options: { systemctl: boolean }): number {
  const path = join(directory, NAME);
  if (!existsSync(path)) {
    tell(`There is nothing to remove: ${path} does not exist.`);
    return Exit.ok;
  }
  refuseForeign(path);
  const stopped = !options.systemctl || systemctl('disable', '--now', NAME);
  permitted(path, () => rmSync(path));
  tell(`Removed ${path}.`);
  return stopped && (!options.systemctl || systemctl('daemon-reload')) ? Exit.ok : Exit.failed;
}

/** Refuses to replace or remove a unit that oomscope did not make. */
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
