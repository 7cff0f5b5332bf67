/** The programs of this machine that the lab runs; installed when that is allowed, as scripts/setup.sh does. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { LabError } from './error.ts';

/** Program to Debian package. */
const NEEDED = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  mke2fs: 'e2fsprogs',
  xz: 'xz-utils',
  ldd: 'libc-bin',
  tar: 'tar',
  setpriv: 'util-linux',
} as const;
type Program = keyof typeof NEEDED;

/** Path of each program. @throws LabError NOT_INSTALLED */
export function tools(): Record<Program, string> {
  if (process.arch !== 'x64') {
    throw new LabError('NOT_INSTALLED', `The kernel lab needs an x86_64 machine; this is ${process.arch}.`);
  }
  const programs = Object.keys(NEEDED) as Program[];
  const missing = programs.filter((program) => find(program) === undefined);
  if (missing.length > 0) install(missing.map((program) => NEEDED[program]));
  return Object.fromEntries(programs.map((program) => [program, find(program) ?? absent(program)])) as Record<
    Program,
    string
  >;
}

/** Where a program is; undefined when it is not installed, or not in the form that is needed. */
export function find(program: string): string | undefined {
  // mke2fs is in /usr/sbin, which users have not in their PATH.
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

/** busybox runs in the guest before there are libraries. ldd fails for a program that needs none. */
function isStatic(path: string): boolean {
  return spawnSync('ldd', [path], { stdio: 'ignore' }).status !== 0;
}

function install(packages: readonly string[]): void {
  const list = packages.join(' ');
  const aptGet = find('apt-get');
  if (aptGet === undefined) {
    throw new LabError('NOT_INSTALLED', `The kernel lab needs Debian's packages ${list}, or what holds the same here.`);
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
  apt('update'); // one unreachable third-party list fails it, and need not matter: the install decides
  const { status, stderr } = apt('install', '-y', '--no-install-recommends', ...packages);
  if (status !== 0) throw new LabError('NOT_INSTALLED', `apt-get could not install ${list}.`, { detail: stderr });
}

function absent(program: Program): never {
  throw new LabError('NOT_INSTALLED', `Expected ${NEEDED[program]} to bring a program ${program}, and it did not.`);
}
