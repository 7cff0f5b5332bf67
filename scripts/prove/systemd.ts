/**
 * Proves that the Debian package works on a system with systemd: installed, enabled, the system restarted, a kill traced by the service,
 * an upgrade of the running service, removal.
 *
 *   npm run package && npm run prove:systemd -- [--fresh] [--part PART]... [--write]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bootGuest, lastLines } from '../lab/guest.ts';
import { debianNames, manifest } from '../package/package.ts';
import { prove } from './proof.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Each suite with the kernel of the same Debian. On arm64 also the packages for npm, which prove:install installs on x64. */
const SYSTEMS = [
  { suite: 'bookworm', kernel: '6.1', architecture: 'x64' },
  { suite: 'trixie', kernel: '6.12', architecture: 'x64' },
  { suite: 'trixie', kernel: '6.12', architecture: 'arm64' },
] as const;
/** What each start of the guest does. A guest of arm64 is slower still, and an upgrade or a missing BTF is the same there. */
const STARTS = {
  x64: ['install', 'first configure', 'use upgrade', 'btf remove'],
  arm64: ['install', 'first configure', 'use npm remove'],
};
const LIMIT_SECONDS = 1800;

type System = (typeof SYSTEMS)[number];

async function run({ suite, kernel, architecture }: System): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'oomscope-systemd-'));
  try {
    const deb = packageFile(debianNames[architecture], '.deb');
    const files: Record<string, string> = { '/root/old.deb': deb, '/root/new.deb': newer(deb, work) };
    const script = { '/root/systemd.sh': join(import.meta.dirname, 'systemd.sh') };
    if (architecture === 'arm64') {
      files['/root/platform.tgz'] = packageFile('linux-arm64', '.tgz');
      files['/root/main.tgz'] = packageFile('', `oomscope-${manifest.version}.tgz`);
      files['/root/npm.tar'] = packedNpm(work);
    }
    let text = '';
    for (const [i, steps] of STARTS[architecture].entries()) {
      const command = ['sh', '-c', `for step in ${steps}; do sh /root/systemd.sh $step || exit 1; done`];
      const result = await bootGuest({
        ...{ kernel, architecture, memoryMib: 1024, limitSeconds: LIMIT_SECONDS, command },
        files: i === 0 ? { ...files, ...script } : script,
        system: { suite, disk: join(work, 'disk') },
        onStdout: (chunk) => process.stderr.write(chunk),
        onStderr: (chunk) => process.stderr.write(chunk),
      });
      text += result.stdout;
      if (result.exitCode !== 0) throw new Error(`${text}\n${result.stderr}\n${lastLines(result)}`);
    }
    return text;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
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
    'In guests with systemd as process 1 the Debian package is installed, its service is off until it is enabled, also on the first start of an image of the system, starts with the system, traces a kill and ends a growing process, is started again after SIGKILL, guards again after an upgrade with its configuration and its undelivered alerts, says why it cannot trace without the BTF of the kernel, and is removed without a trace. A start that takes longer than its time-out asks for more time. On arm64 the packages for npm are installed, too, and the upgrade and the start without BTF are left out. The guests are emulated, beside other work: their times are five to a hundred times those of a real machine.',
  parts: SYSTEMS.map((system) => ({ name: `${system.suite}-${system.architecture}`, run: () => run(system) })),
  render: (parts) =>
    parts.map(({ name, figures, failure }) => `=== ${name} ===\n${figures ?? failure ?? ''}`.trim()).join('\n\n'),
});
