/** Makes the systemd unit for `oomscope run`, installs and removes its file, and calls systemctl. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Config, readConfig } from '../../../config/config.ts';
import { featuresOf, needsNetwork, portsOf, programsOf, writtenBy } from '../../../config/features.ts';
import { MADE_HERE, systemdUnit } from '../../../config/import/systemd-unit.ts';
import type { Feature } from '../../../linux/rights.ts';
import { OomscopeError } from '../../../model/error.ts';
import { ADDON, nativeFile } from '../../../native/files.ts';
import { Exit } from '../../verb/exit.ts';
import { tell } from '../../verb/tell.ts';
import { unitProblems } from './unit-problems.ts';

const NAME = 'oomscope.service';
/** The port of the metrics in all examples, for a configuration that is not written yet. */
const METRICS_PORT = 9836;
const WEB_PORT = 9837;
export interface PlannedUnit {
  text: string;
  /** Why it could not start on this machine, or must not, one sentence each. */
  problems: string[];
}

/** @throws OomscopeError CONFIG, NO_INPUT */
export async function unitFor(file: string, { mayBeMissing }: { mayBeMissing: boolean }): Promise<PlannedUnit> {
  const path = resolve(file);
  const config = mayBeMissing && !existsSync(path) ? undefined : await readConfig(path);
  const program = resolve(process.argv[1] ?? '');
  const written = config ? writtenBy(config) : [];
  const text = systemdUnit({
    command: [process.execPath, ...nodeOptions(), program, 'run', '--config', path, '--drop-capabilities'],
    features: config ? featuresOf(config) : new Set<Feature>(['watching', 'guarding', 'arming']),
    network: config ? needsNetwork(config) : true,
    ports: config ? portsOf(config) : [METRICS_PORT, WEB_PORT],
    realtimePriority: config ? realtimeOf(config) : 1,
    writes: [...new Set(written.map((each) => each.path))],
  });
  const code = [
    { path: process.execPath, by: 'Node' },
    ...[program, ...codeFiles()].map((each) => ({ path: each, by: 'the code of oomscope' })),
    ...(config ? [{ path, by: 'the configuration' }, ...programsOf(config)] : []),
  ];
  return { text, problems: [...new Set(unitProblems({ code, written }))] };
}

/** Says on stderr why a unit that is only written or shown could not start on this machine. */
export function warnOf({ problems }: Pick<PlannedUnit, 'problems'>): void {
  for (const problem of problems) tell(`On this machine the unit could not start: ${problem}`);
}

const realtimeOf = ({ guard }: Config) => (guard?.mode === 'enforce' ? guard.realtimePriority : 0);

/** The bundle of the command and the native files, which Node loads. */
function codeFiles(): string[] {
  const directories = [import.meta.dirname, dirname(nativeFile(ADDON))];
  return directories.flatMap((directory) => {
    try {
      const names = readdirSync(directory).filter((name) => /\.(c?js|node|bpf\.o)$/.test(name));
      return [directory, ...names.map((name) => join(directory, name))];
    } catch {
      return [];
    }
  });
}

/**
 * --max-old-space-size: without it V8 lets its heap grow up to half of the machine's memory before it collects garbage
 * thoroughly. --v8-pool-size, --single-threaded-gc: fewer threads, as scripts/oomscope.sh. --disable-sigusr1 (Node
 * 22.14): on SIGUSR1 Node would open its debugger, to which every local user can connect.
 */
function nodeOptions(): string[] {
  const noDebugger = '--disable-sigusr1';
  return [
    '--max-old-space-size=64',
    '--v8-pool-size=0',
    '--single-threaded-gc',
    ...(process.allowedNodeEnvironmentFlags.has(noDebugger) ? [noDebugger] : []),
  ];
}

/**
 * @param options.systemctl tell systemd about the unit. @param options.now start the service as well
 * @returns the exit code. @throws OomscopeError USAGE, NOT_PERMITTED
 */
export function installUnit(
  directory: string,
  { text, problems }: PlannedUnit,
  options: { systemctl: boolean; now: boolean },
): number {
  const path = join(directory, NAME);
  refuseForeign(path);
  // Another directory may belong to the image of another machine.
  if (problems.length > 0 && options.systemctl) {
    throw new OomscopeError('USAGE', ['The unit is not installed:', ...problems].join('\n'));
  }
  warnOf({ problems });
  permitted(path, () => writeFileSync(path, text, { mode: 0o644 }));
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
