/**
 * The programs of this machine that the lab runs. Missing programs are installed if this is allowed, as in
 * scripts/setup.sh.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from './error.ts';

/** For each program, the Debian package that has it. */
const NEEDED = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  mke2fs: 'e2fsprogs',
  xz: 'xz-utils',
  ldd: 'libc-bin',
  tar: 'tar',
  setpriv: 'util-linux',
} as const;
/** The programs for guests of another architecture. scripts/setup.sh has already installed clang and llvm-strip. */
const NEEDED_FOR_ARM64 = {
  'qemu-system-aarch64': 'qemu-system-arm',
  'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu',
} as const;
/** The programs that make a Debian system. debootstrap is for another architecture than this machine's. */
const NEEDED_FOR_DEBIAN = { mmdebstrap: 'mmdebstrap', debootstrap: 'debootstrap' } as const;
const PACKAGES = { ...NEEDED, ...NEEDED_FOR_ARM64, ...NEEDED_FOR_DEBIAN };
type Program = keyof typeof PACKAGES;

/** Path of each program. @throws LabError NOT_INSTALLED */
export const tools = () => programs(Object.keys(NEEDED) as (keyof typeof NEEDED)[]);

/** Additional programs for arm64 guests. @throws LabError NOT_INSTALLED */
export const crossTools = () => programs(Object.keys(NEEDED_FOR_ARM64) as (keyof typeof NEEDED_FOR_ARM64)[]);

/** Path of a program that makes a Debian system. @throws LabError NOT_INSTALLED */
export const bootstrapTool = (program: keyof typeof NEEDED_FOR_DEBIAN): string => programs([program])[program];

/** Folder of the kernel's arm64 headers, for compiling BPF programs. @throws LabError NOT_INSTALLED */
export function arm64Headers(): string {
  const directory = '/usr/aarch64-linux-gnu/include';
  if (!existsSync(join(directory, 'asm/ptrace.h'))) install(['linux-libc-dev-arm64-cross']);
  return directory;
}

function programs<P extends Program>(programs: readonly P[]): Record<P, string> {
  if (process.arch !== 'x64') {
    throw new LabError('NOT_INSTALLED', `The kernel lab needs an x86_64 machine; this is ${process.arch}.`);
  }
  const missing = programs.filter((program) => find(program) === undefined);
  if (missing.length > 0) install(missing.map((program) => PACKAGES[program]));
  return Object.fromEntries(programs.map((program) => [program, find(program) ?? absent(program)])) as Record<
    P,
    string
  >;
}

/** Path of a program; undefined when it is missing or not of the needed form. */
export function find(program: string): string | undefined {
  // mke2fs is in /usr/sbin, which is not in a user's PATH.
  for (const directory of `${process.env.PATH}:/usr/sbin:/sbin`.split(':')) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
    } catch {
      continue;
    }
    if (program !== 'busybox' || isStatic(path)) return path;
  }
  return undefined;
}

/**
 * True for a static program: ldd fails for it. busybox must be static, because it runs before the guest has
 * libraries.
 */
function isStatic(path: string): boolean {
  return spawnSync('ldd', [path], { stdio: 'ignore' }).status !== 0;
}

function install(packages: readonly string[]): void {
  const list = packages.join(' ');
  const aptGet = find('apt-get');
  if (aptGet === undefined) {
    throw new LabError(
      'NOT_INSTALLED',
      `The kernel lab needs Debian's packages ${list}, or the same programs from another distribution.`,
    );
  }
  if (process.geteuid?.() !== 0) {
    const line = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${list}`;
    throw new LabError('NOT_INSTALLED', `Type this and try again: ${line}`);
  }
  process.stderr.write(`lab: install ${list}\n`);
  const apt = (...words: string[]) =>
    spawnSync(aptGet, ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...words], {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  // fails if a third-party package list is unreachable; this may not matter, and the installation will show it
  apt('update');
  const { status, stderr } = apt('install', '-y', '--no-install-recommends', ...packages);
  if (status !== 0) throw new LabError('NOT_INSTALLED', `apt-get could not install ${list}.`, { detail: stderr });
}

function absent(program: Program): never {
  throw new LabError(
    'NOT_INSTALLED',
    `Expected the package ${PACKAGES[program]} to contain the program ${program}, but it does not.`,
  );
}
