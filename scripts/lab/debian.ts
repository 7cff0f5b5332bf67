/** Debian systems in files: an archive of the base system, and a disk with systemd from which a guest starts. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debianArchive } from './apt.ts';
import { LabError } from './error.ts';
import type { Architecture } from './platform.ts';
import { bootstrapTool } from './tools.ts';

/** Debian 12, 13, and the one that becomes the next. */
export const SUITES = ['bookworm', 'trixie', 'sid'] as const;
export type SuiteName = (typeof SUITES)[number];

/** What a disk needs to start by itself. libstdc++6 and procps are dependencies of the Debian package of this project. */
const BOOTABLE = ['systemd-sysv', 'kmod', 'libstdc++6', 'procps'];
const DISK_MIB = 1536;
/** The identity of every system. Without one, systemd would take the first start for an installation and enable every unit. */
const MACHINE_ID = createHash('md5').update('oomscope lab').digest('hex');

/**
 * The path of a tar with the smallest Debian and the given packages, which is made when it is first needed.
 *
 * @throws LabError NOT_INSTALLED when mmdebstrap is missing and cannot be installed
 */
export async function debianSystem(suite: SuiteName, packages: readonly string[], cache: string): Promise<string> {
  const path = join(cache, `debian-${suite}-${fingerprint(packages)}.tar`);
  if (existsSync(path)) return path;
  const mmdebstrap = bootstrapTool('mmdebstrap');
  mkdirSync(cache, { recursive: true });
  process.stderr.write(`lab: make a system of Debian's suite ${suite}\n`);
  const work = `${path}.${process.pid}.new`;
  const options = ['--variant=minbase', '--format=tar'];
  if (packages.length > 0) options.push(`--include=${packages.join(',')}`);
  // The signature is checked; a mirror may be behind by more than the weeks for which a list of sid is valid.
  options.push('--aptopt=Acquire::Check-Valid-Until "false"');
  try {
    const words = [...options, suite, work, await debianArchive()];
    execFileSync(mmdebstrap, words, { stdio: 'pipe', maxBuffer: 2 ** 26 });
    renameSync(work, path);
  } finally {
    rmSync(work, { force: true });
  }
  return path;
}

/** Boots a guest of another architecture that configures the packages on a disk: this machine cannot run their programs. */
export type Configure = (disk: string, command: readonly string[]) => Promise<void>;
/** Run in such a guest: the second half of debootstrap, on the disk that is mounted at /system. */
const SECOND_STAGE = [
  ...['env', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C', '/bin/busybox', 'sh', '-c'],
  'chroot /system /debootstrap/debootstrap --second-stage && /bin/busybox rm -rf /system/debootstrap && /bin/busybox umount /system',
];

/**
 * The path of an ext4 image with a Debian that starts systemd. Guests get copies of it.
 *
 * @param packages additional packages
 * @param configure needed for another architecture than this machine's
 * @throws LabError NOT_INSTALLED when mmdebstrap or debootstrap is missing and cannot be installed, or when not run by root, who alone can give files to other users
 */
export async function debianDisk(
  { suite, packages, architecture }: { suite: SuiteName; packages: readonly string[]; architecture: Architecture },
  cache: string,
  configure: Configure,
): Promise<string> {
  const all = [...new Set([...BOOTABLE, ...packages])];
  const suffix = architecture === process.arch ? '' : `-${architecture}`;
  const path = join(cache, `system-${suite}${suffix}-${fingerprint([...all, MACHINE_ID])}.ext4`);
  if (existsSync(path)) return path;
  if (process.geteuid?.() !== 0)
    throw new LabError('NOT_INSTALLED', 'A disk with Debian can be made only by root: use sudo.');
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(`${path}-`);
  try {
    const tree = join(work, 'tree');
    mkdirSync(tree);
    if (suffix === '') {
      const archive = await debianSystem(suite, all, cache);
      execFileSync('tar', ['xf', archive, '-C', tree, '--exclude=./dev/*']);
    } else await firstStage(suite, all, architecture, tree);
    // The lab mounts these. The journal is kept from one start to the next if this folder exists.
    for (const name of ['oomscope', 'runtime', 'scratch', 'out', 'lab', 'var/log/journal'])
      mkdirSync(join(tree, name), { recursive: true });
    writeFileSync(join(tree, 'etc/machine-id'), `${MACHINE_ID}\n`);
    writeFileSync(join(tree, 'etc/hostname'), 'lab\n');
    makeDisk(tree, join(work, 'disk'));
    if (suffix !== '') await configure(join(work, 'disk'), SECOND_STAGE);
    renameSync(join(work, 'disk'), path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return path;
}

/** Unpacks packages of another architecture; their scripts run in the second stage. */
async function firstStage(suite: SuiteName, packages: readonly string[], architecture: Architecture, tree: string) {
  const debootstrap = bootstrapTool('debootstrap');
  process.stderr.write(`lab: make a system of Debian's suite ${suite} for ${architecture}\n`);
  const options = ['--foreign', `--arch=${architecture}`, '--variant=minbase', `--include=${packages.join(',')}`];
  execFileSync(debootstrap, [...options, suite, tree, await debianArchive()], { stdio: 'pipe', maxBuffer: 2 ** 26 });
}

function makeDisk(tree: string, disk: string): void {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const words = ['-q', '-t', 'ext4', '-m', '0', '-E', 'lazy_itable_init=0', '-d', tree, disk, `${DISK_MIB}M`];
  execFileSync('mke2fs', words, { env, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A copy that occupies no more space than the original: both have holes. */
export function copyDisk(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  execFileSync('cp', ['--sparse=always', '--reflink=auto', from, to]);
}

function fingerprint(words: readonly string[]): string {
  return createHash('sha256').update(words.join(' ')).digest('hex').slice(0, 12);
}
