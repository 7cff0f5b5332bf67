/**
 * Boots a kernel in QEMU without KVM, runs one command of this project in it, and brings back what the command wrote.
 *
 *   const { exitCode, stdout } = await bootGuest({ kernel: '6.12', command: ['oomscope', 'doctor', '--json'] });
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { arm64Userland } from './arm64.ts';
import { type Attempt, type Plan, runOnce, runShell } from './attempt.ts';
import { type Configure, copyDisk, debianDisk } from './debian.ts';
import { LabError } from './error.ts';
import { initramfs, type Settings } from './initramfs.ts';
import { getKernel, type Kernel } from './kernels.ts';
import { collectModules } from './modules.ts';
import { GuestExit, type GuestOptions, type GuestResult, type Network, type System } from './options.ts';
import { platforms } from './platform.ts';
import { GUEST_MODULES, NETWORK_MODULES } from './qemu.ts';
import { runtimeImage } from './runtime.ts';
import { tools } from './tools.ts';
import { ownUserland } from './userland.ts';

export { LabError, type LabErrorCode } from './error.ts';
export { getKernel, type Kernel, type KnownKernel, kernels } from './kernels.ts';
export {
  type CgroupSetup,
  GUEST_ADDRESS,
  GuestExit,
  type GuestOptions,
  type GuestResult,
  HOST_ADDRESS,
  type Network,
  type SwapSetup,
  type System,
} from './options.ts';
export { type Architecture, platforms } from './platform.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DEFAULT_LIMIT_SECONDS = 120;
/** Size of the disk of /var/tmp, which is a sparse file. */
const SCRATCH_MIB = 1024;
/** Number of boot attempts: a panic before the command starts is a fault of the emulation. */
const BOOT_ATTEMPTS = 3;
/** Number of lines of the console or the kernel log that are shown after a failure of a guest. */
const LAST_LINES = 30;
/** Time for the scripts of a hundred packages in an emulated machine. */
const CONFIGURE_SECONDS = 1800;
/**
 * No logins: the one at the console would wait for a device that only udev announces, and nobody uses the others. No questions at the
 * first start of a system either.
 */
const SYSTEMD_ARGUMENTS =
  'systemd.firstboot=no systemd.show_status=no systemd.getty_auto=no systemd.mask=getty-static.service systemd.mask=getty@tty1.service';
/** The target of system-init.sh, with the units of the caller. */
const UNIT_ARGUMENT = 'systemd.unit=lab.target';

/**
 * No process keeps running and no temporary file remains when this returns or throws, or when the process ends.
 *
 * @throws LabError NOT_INSTALLED, NO_KERNEL, NO_CGROUP_V1, BOOT_FAILED, USAGE. A command that fails, a panic and a
 *   time-out are results.
 */
export async function bootGuest(options: GuestOptions): Promise<GuestResult> {
  const kernel = await prepare(options);
  const plan = await makePlan(options, kernel, false);
  for (let attempt = 1; ; attempt++) {
    const ended = await runOnce(plan);
    const result = toResult(ended, kernel);
    if (result.panicked && ended.bootSeconds === undefined && attempt < BOOT_ATTEMPTS) continue;
    const [refusal] = ended.control;
    if (refusal === 'no-cgroup-v1') throw noCgroupV1(kernel);
    if (refusal?.startsWith('failed ') || (ended.bootSeconds === undefined && !result.timedOut && !result.panicked)) {
      const sentence =
        refusal?.replace('failed ', '') ??
        `it ended before the command was started${kernel.modules ? '' : ', perhaps because modules are missing'}`;
      const detail = lastLines(result);
      throw new LabError('BOOT_FAILED', `The guest with Linux ${kernel.version} failed: ${sentence}.`, { detail });
    }
    if (options.outDir !== undefined) deliver(options.outDir, ended, result);
    return result;
  }
}

/** Opens a shell in the guest at this terminal. @returns when the user has left the shell */
export async function shellInGuest(options: Omit<GuestOptions, 'command'>): Promise<number> {
  const withCommand = { ...options, command: [] };
  return runShell(await makePlan(withCommand, await prepare(withCommand), true));
}

/** The last lines of the guest's kernel, which show why the guest hung or panicked. */
export function lastLines({ console, dmesg }: Pick<GuestResult, 'console' | 'dmesg'>): string {
  const said = console.trim() === '' ? dmesg : console;
  return said.replaceAll('\r', '').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
}

async function prepare(options: GuestOptions): Promise<Kernel> {
  check(options);
  tools();
  const kernel = await getKernel(options.kernel, options.modules, options.architecture);
  if ((options.cgroup === 'v1' || options.cgroup === 'hybrid') && !kernel.cgroupV1) throw noCgroupV1(kernel);
  return kernel;
}

/** @param attached a disk that is mounted at /system, and written to, by a guest without systemd */
async function makePlan(options: GuestOptions, kernel: Kernel, shell: boolean, attached?: string): Promise<Plan> {
  const { cgroup = 'v2', memoryMib = 1024, cpus = 2, swap = 'none', numa = 1, append = '' } = options;
  const { virtualTime = false, network } = options;
  const { swapMib = Math.floor(memoryMib / 2), limitSeconds = DEFAULT_LIMIT_SECONDS } = options;
  const { command, environment = {}, files = {}, architecture = 'x64' } = options;
  const platform = platforms[architecture];
  const userland = architecture === 'x64' ? ownUserland(ROOT) : await arm64Userland(ROOT, cacheDirectory('lab'));
  const runtime = runtimeImage(ROOT, cacheDirectory('lab'), userland);
  const booted = options.system && (await systemDisk(options.system, options, kernel));
  const system = attached === undefined ? booted : { disk: attached, kept: true };
  const kind: Settings['system'] = attached ? 'attached' : !booted ? 'none' : booted.kept ? 'kept' : 'once';
  const { units = [] } = options.system ?? {};
  const kept = { cgroup, swap, swapMib, shell, command, environment, files };
  const settings = { ...kept, system: kind, units, network: network !== undefined };
  return {
    machine: {
      ...{ platform, kernel, memoryMib, cpus, numaNodes: numa, runtime, shell, virtualTime, network },
      busybox: tools().busybox,
      system: system !== undefined,
      append: booted ? [SYSTEMD_ARGUMENTS, units.length > 0 ? UNIT_ARGUMENT : '', append].join(' ') : append,
    },
    system,
    initramfs: initramfs(userland, platform, modulesFor(kernel, network), settings),
    scratchMib: SCRATCH_MIB + (swap === 'file' ? swapMib : 0),
    limitSeconds,
    on: {
      ...(options.onStdout && { stdout: options.onStdout }),
      ...(options.onStderr && { stderr: options.onStderr }),
    },
    signal: options.signal,
  };
}

/** The disk of a guest with systemd: the given file, or the one of the cache, which each guest copies. */
async function systemDisk(
  { suite, packages = [], disk }: System,
  options: GuestOptions,
  kernel: Kernel,
): Promise<NonNullable<Plan['system']>> {
  if (disk !== undefined && existsSync(disk)) return { disk, kept: true };
  const { architecture = 'x64' } = options;
  const configure: Configure = async (made, command) => {
    const { system: _, files: __, ...rest } = options;
    const plan = await makePlan({ ...rest, command, limitSeconds: CONFIGURE_SECONDS }, kernel, false, made);
    const result = toResult(await runOnce(plan), kernel);
    if (result.exitCode !== 0)
      throw new LabError('BOOT_FAILED', 'The packages on the disk could not be configured.', {
        detail: result.stdout.slice(-4000),
      });
  };
  const made = await debianDisk({ suite, packages, architecture }, cacheDirectory('lab'), configure);
  if (disk === undefined) return { disk: made, kept: false };
  copyDisk(made, disk);
  return { disk, kept: true };
}

function modulesFor({ modules }: Kernel, network: Network | undefined) {
  return modules === undefined ? [] : collectModules(modules, [...GUEST_MODULES, ...(network ? NETWORK_MODULES : [])]);
}

function toResult(ended: Attempt, kernel: Kernel): GuestResult {
  const { received, timedOut, seconds, bootSeconds = seconds } = ended;
  const console = received.console.toString();
  const code = ended.control.map((line) => /^exit (\d+)$/.exec(line)?.[1]).find((text) => text !== undefined);
  const panicked = code === undefined && !timedOut && console.includes('Kernel panic');
  return {
    exitCode: code === undefined ? failure(timedOut, panicked) : Number(code),
    stdout: received.stdout.toString(),
    stderr: received.stderr.toString(),
    dmesg: received.kmsg.toString(),
    console,
    kernel,
    seconds,
    bootSeconds,
    panicked,
    timedOut: timedOut && code === undefined,
  };
}

function failure(timedOut: boolean, panicked: boolean): number {
  if (timedOut) return GuestExit.timedOut;
  return panicked ? GuestExit.panicked : GuestExit.vanished;
}

function deliver(outDir: string, { received }: Attempt, { dmesg, console }: GuestResult): void {
  mkdirSync(outDir, { recursive: true });
  if (received.files.length > 0) {
    const words = ['-x', '-f', '-', '-C', outDir, '--no-same-owner', '--no-overwrite-dir'];
    const { status, stderr } = spawnSync(tools().tar, words, { input: received.files });
    if (status !== 0) process.stderr.write(`lab: not all files of the guest's /out could be unpacked: ${stderr}\n`);
  }
  writeFileSync(join(outDir, 'dmesg'), dmesg);
  writeFileSync(join(outDir, 'console'), console);
}

function noCgroupV1({ version }: Kernel): LabError {
  return new LabError(
    'NO_CGROUP_V1',
    `cgroup v1 does not exist on this kernel: Linux ${version} is built without its memory controller.`,
  );
}

function check({
  architecture = 'x64',
  memoryMib = 1024,
  cpus = 2,
  numa = 1,
  limitSeconds = DEFAULT_LIMIT_SECONDS,
  files = {},
  system,
  cgroup = 'v2',
}: GuestOptions): void {
  const expect = (fine: boolean, expected: string, got: unknown) => {
    if (!fine) throw new LabError('USAGE', `Expected ${expected}, got ${got}.`);
  };
  expect(architecture in platforms, `an architecture to be ${Object.keys(platforms).join(' or ')}`, architecture);
  expect(Number.isInteger(memoryMib) && memoryMib >= 256, 'memory to be a whole number of MiB from 256', memoryMib);
  expect(Number.isInteger(cpus) && cpus >= 1 && cpus <= 16, 'cpus to be from 1 to 16', cpus);
  expect(Number.isInteger(numa) && numa >= 1 && numa <= 4, 'numa to be from 1 to 4', numa);
  expect(limitSeconds > 0, 'limitSeconds to be above 0', limitSeconds);
  if (system !== undefined) expect(cgroup === 'v2', 'cgroup to be v2 with systemd', cgroup);
  for (const path of Object.keys(files))
    expect(path.startsWith('/'), "paths of the guest's files to be absolute", path);
}
