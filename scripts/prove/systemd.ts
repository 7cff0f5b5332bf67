/**
 * Proves that the Debian package works on a system with systemd: installed, enabled, the system restarted, a kill traced by the service,
 * an upgrade of the running service, removal.
 *
 *   npm run package && npm run prove:systemd -- [--fresh] [--part PART]... [--write]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { copyDisk } from '../lab/debian.ts';
import { bootGuest, lastLines } from '../lab/guest.ts';
import { debianNames, manifest, sha256 } from '../package/package.ts';
import { prove } from './proof.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Each suite with the kernel of the same Debian. On arm64 also the packages for npm, which prove:install installs on x64. */
const SYSTEMS = [
  { suite: 'bookworm', kernel: '6.1', architecture: 'x64' },
  { suite: 'trixie', kernel: '6.12', architecture: 'x64' },
  { suite: 'trixie', kernel: '6.12', architecture: 'arm64' },
] as const;
/** What each start of a guest does. A guest of arm64 is slower still, and an upgrade or a missing BTF is the same there. */
const STARTS = {
  x64: ['install', 'first configure', 'use', 'upgrade', 'btf remove'],
  arm64: ['install', 'first configure', 'use', 'npm remove'],
};
/** The guest counts instructions, so only this limit depends on what else this machine does. */
const LIMIT_SECONDS = 3600;

type System = (typeof SYSTEMS)[number];

/** One start of a guest. The disk is kept after each start, so that a stopped or failed proof continues with the start after it. */
async function start({ suite, kernel, architecture }: System, index: number): Promise<string> {
  const deb = packageFile(debianNames[architecture], '.deb');
  const disks = join(cacheDirectory('proofs'), 'systemd-disks');
  const diskAfter = (count: number) => join(disks, `${suite}-${architecture}-${sha256(deb).slice(0, 12)}-${count}`);
  const before = diskAfter(index);
  if (index > 0 && !existsSync(before)) throw new Error(`expected ${before}: the part before this one makes it`);
  const work = mkdtempSync(join(tmpdir(), 'oomscope-systemd-'));
  const disk = join(work, 'disk');
  try {
    if (index > 0) copyDisk(before, disk);
    const steps = STARTS[architecture][index];
    const result = await bootGuest({
      ...{ kernel, architecture, memoryMib: 1024, cpus: 1, virtualTime: true, limitSeconds: LIMIT_SECONDS },
      command: ['sh', '-c', `for step in ${steps}; do sh /root/systemd.sh $step || exit 1; done`],
      files: index === 0 ? { ...files(deb, architecture, work), ...SCRIPT } : SCRIPT,
      system: { suite, disk },
      onStdout: (chunk) => process.stderr.write(chunk),
      onStderr: (chunk) => process.stderr.write(chunk),
    });
    if (result.exitCode !== 0) throw new Error(`${result.stdout}\n${result.stderr}\n${lastLines(result)}`);
    const last = index + 1 === STARTS[architecture].length;
    if (!last) copyDisk(disk, `${diskAfter(index + 1)}.new`);
    if (!last) renameSync(`${diskAfter(index + 1)}.new`, diskAfter(index + 1));
    else for (const count of STARTS[architecture].keys()) rmSync(diskAfter(count), { force: true });
    return result.stdout;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const SCRIPT = { '/root/systemd.sh': join(import.meta.dirname, 'systemd.sh') };

/** What the first start puts on the disk. */
function files(deb: string, architecture: System['architecture'], work: string): Record<string, string> {
  const packages = { '/root/old.deb': deb, '/root/new.deb': newer(deb, work) };
  if (architecture === 'x64') return packages;
  return {
    ...packages,
    '/root/platform.tgz': packageFile('linux-arm64', '.tgz'),
    '/root/main.tgz': packageFile('', `oomscope-${manifest.version}.tgz`),
    '/root/npm.tar': packedNpm(work),
  };
}

/** The package of `npm run package` whose name has a part and an end. */
function packageFile(part: string, end: string): string {
  const directory = join(ROOT, 'build/packages');
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const name = names.find((each) => each.includes(part) && each.endsWith(end));
  if (name === undefined) throw new Error(`expected a package *${part}*${end}: run \`npm run package\``);
  return join(directory, name);
}

/** npm is a program of the registry, without native parts. @returns an archive of it */
function packedNpm(work: string): string {
  const folder = join(work, 'npm');
  execFileSync('npm', ['install', '--silent', '--no-save', '--prefix', folder, 'npm@11'], { stdio: 'pipe' });
  execFileSync('tar', ['-C', folder, '-cf', join(work, 'npm.tar'), 'node_modules']);
  return join(work, 'npm.tar');
}

/** The same package with a higher version number. */
function newer(path: string, work: string): string {
  const tree = join(work, 'newer');
  execFileSync('dpkg-deb', ['-R', path, tree]);
  const control = join(tree, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*/m, 'Version: 99.0'));
  const made = join(work, 'new.deb');
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '--build', tree, made], { stdio: 'ignore' });
  return made;
}

await prove<string>({
  name: 'systemd',
  claim:
    'In guests with systemd as process 1 the Debian package is installed, its service is off until it is enabled, also on the first start of an image of the system, starts with the system, traces a kill and ends a growing process, is started again after SIGKILL, guards again after an upgrade with its configuration and its undelivered alerts, says why it cannot trace without the BTF of the kernel, and is removed without a trace. A start that takes longer than its time-out asks for more time. On arm64 the packages for npm are installed, too, and the upgrade and the start without BTF are left out. The guests are emulated and count their instructions, 125 million a second of their clock: they do not notice other work of the machine, and their times are ten to a hundred times those of a real one.',
  parts: SYSTEMS.flatMap((system) =>
    STARTS[system.architecture].map((_, index) => ({
      name: `${system.suite}-${system.architecture}-${index + 1}`,
      run: () => start(system, index),
    })),
  ),
  render: (parts) =>
    parts.map(({ name, figures, failure }) => `=== ${name} ===\n${figures ?? failure ?? ''}`.trim()).join('\n\n'),
});
