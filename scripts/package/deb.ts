/** The Debian package: the tree with its own Node in /usr/lib/oomscope, the command, man pages, completions, the unit, the configuration. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { writeCompletions } from './completions.ts';
import { writeManPages } from './man.ts';
import { type Architecture, debianNames, epoch, manifest, ROOT } from './package.ts';
import { makeTree } from './tarball.ts';

const HOME = 'usr/lib/oomscope';
const CONFIG = 'etc/oomscope/oomscope.toml';
/** The place that `oomscope systemd install` takes by default. */
const OLD_CONFIG = '/etc/oomscope.toml';
const MAINTAINER = 'The oomscope maintainers <oomscope@localhost>';
/** Scripts of dpkg, from packaging/debian/. */
const SCRIPTS = ['postinst', 'prerm', 'postrm'];

/** @param native the folder with the native files. @returns the package's path */
export async function makeDeb(
  architecture: Architecture,
  native: string,
  work: string,
  output: string,
): Promise<string> {
  const root = join(work, `deb-${architecture}`);
  rmSync(root, { recursive: true, force: true });
  await makeTree(join(root, HOME), architecture, native, 'deb');
  rmSync(join(root, HOME, 'LICENSE'));
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/oomscope/oomscope', join(root, 'usr/bin/oomscope'));
  await writeManPages(join(root, 'usr/share/man'));
  for (const page of filesBelow(join(root, 'usr/share/man'))) compress(page);
  await writeCompletions(join(root, 'usr/share'));
  write(join(root, CONFIG), configuration());
  write(join(root, 'usr/lib/systemd/system/oomscope.service'), unit());
  write(join(root, 'usr/lib/systemd/system-preset/80-oomscope.preset'), PRESET);
  writeDocuments(join(root, 'usr/share/doc/oomscope'));
  write(
    join(root, 'usr/share/lintian/overrides/oomscope'),
    readFileSync(join(ROOT, 'packaging/debian/lintian-overrides'), 'utf8'),
  );
  writeControl(root, architecture);
  setModes(root);
  const path = join(output, `oomscope_${manifest.version}_${debianNames[architecture]}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epoch) };
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', root, path], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return path;
}

/** Without a preset, systemd enables every unit of an image of a system when that system starts for the first time. */
const PRESET = `# The service is off until an administrator enables it. A preset in /etc/systemd/system-preset overrides this one.
disable oomscope.service
`;

/** The program of this checkout, which prints the parts that the package contains. */
function oomscope(...words: string[]): string {
  return execFileSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...words], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

/**
 * The settings of the packaged configuration that differ from the defaults or that its reader is expected to change: lines for the
 * journal, without a line for each fruitless round of reclaim, and a guard that only rehearses.
 */
const SETTINGS = [
  '[output]',
  'format = "journal"',
  'events = ["oom.*", "guard.*", "tracer.*", "container.*", "process.*", "pressure.level"]',
  '[guard]',
  'mode = "dry_run"',
];

/** Every other setting is a comment with its default, so that an upgrade brings new defaults. */
function configuration(): string {
  const lines = oomscope('config', 'print')
    .split('\n')
    .map((line) => {
      const name = /^[a-z_]+ = /.exec(line)?.[0] ?? line;
      const own = SETTINGS.find((setting) => (name.endsWith(' = ') ? setting.startsWith(name) : setting === line));
      return line === '' ? line : (own ?? `# ${line}`);
    });
  return `# The configuration of oomscope.service: see oomscope.toml(5). A line without "#" changes a default.
# The guard rehearses: it says what it would kill. With mode = "enforce" it acts.
# Check a change with: oomscope config check /${CONFIG}, and then: systemctl reload oomscope

${lines.join('\n')}`;
}

/**
 * The unit as `oomscope systemd print` makes it, with the paths of the package. A configuration in the place that `oomscope systemd`
 * takes by default comes first: it is from before the package was installed.
 */
function unit(): string {
  return oomscope('systemd', 'print', '--config', `/${CONFIG}`)
    .replaceAll(process.execPath, `/${HOME}/bin/node`)
    .replaceAll(join(ROOT, 'dist/cli/main.js'), `/${HOME}/dist/cli/main.js`)
    .replace(`--config /${CONFIG}`, `--config ${OLD_CONFIG} --config /${CONFIG}`);
}

function writeDocuments(directory: string): void {
  write(join(directory, 'copyright'), copyright());
  const changelog = `oomscope (${manifest.version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${MAINTAINER}  ${new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')}\n`;
  write(join(directory, 'changelog'), changelog);
  compress(join(directory, 'changelog'));
  cpSync(join(ROOT, 'CHANGELOG.md'), join(directory, 'CHANGELOG.md'));
  cpSync(join(ROOT, 'README.md'), join(directory, 'README.md'));
}

/** The licence texts of everything in the package. */
function copyright(): string {
  const built = join(ROOT, 'build');
  const texts: [string, string][] = [
    ['oomscope', read(join(ROOT, 'LICENSE'))],
    ['the BPF objects of oomscope', 'GPL-2.0-only: see /usr/share/common-licenses/GPL-2.\n'],
    [
      'rxjs',
      `${read(join(ROOT, 'dist/cli/LICENSE.rxjs.txt'))
        .match(/Copyright .*/g)
        ?.at(-1)}\nApache-2.0: see /usr/share/common-licenses/Apache-2.0.\n`,
    ],
    ['smol-toml', read(join(ROOT, 'dist/cli/LICENSE.smol-toml.txt'))],
    ['uPlot', read(join(ROOT, 'dist/cli/LICENSE.uplot.txt'))],
    ['the client of NATS', apache(join(ROOT, 'dist/vendor/LICENSE.nats.txt'))],
    ['ffi-napi and what it contains', read(join(built, 'LICENSE.ffi.txt'))],
    ['Node.js with what it contains', `See /${HOME}/LICENSE.node.txt.\n`],
    [
      'libbpf, libelf and zlib',
      `See /${HOME}/build/LICENSE.libbpf.txt. libbpf is under LGPL-2.1 or BSD-2-Clause, libelf under LGPL-3+ or\nGPL-2+: see /usr/share/common-licenses/LGPL-2.1, LGPL-3 and GPL-2.\n`,
    ],
  ];
  return texts.map(([name, text]) => `${name}\n\n${text}`).join(`\n${'-'.repeat(80)}\n\n`);
}

/** The names and the copyrights of texts that repeat the Apache licence, which every Debian has. */
function apache(path: string): string {
  const sections = read(path).split(/^-{80}\n\n/m);
  const lines = sections.map((section) =>
    /Apache License/.test(section)
      ? `${section.split('\n')[0]}: Apache-2.0, see /usr/share/common-licenses/Apache-2.0.\n`
      : section,
  );
  return lines.join('\n');
}

const read = (path: string) => readFileSync(path, 'utf8');

function writeControl(root: string, architecture: Architecture): void {
  const files = filesBelow(root).sort();
  const kib = Math.ceil(
    files.reduce((sum, path) => sum + (lstatSync(path).isFile() ? lstatSync(path).size : 0), 0) / 1024,
  );
  const control = {
    Package: 'oomscope',
    Version: manifest.version,
    Architecture: debianNames[architecture],
    Maintainer: MAINTAINER,
    'Installed-Size': kib,
    Depends: 'libc6 (>= 2.36), libstdc++6 (>= 12), procps',
    Section: 'admin',
    Priority: 'optional',
    Description: `tracer for Linux OOM kills and memory pressure
 oomscope tells which process the kernel killed for memory, which process
 caused it, why, and whose limit it was, at the moment when it happens. It
 shows which cgroups are short of memory, explains kernel logs, protects
 services, and can end the right process before the kernel ends another.`,
  };
  const debian = join(root, 'DEBIAN');
  write(
    join(debian, 'control'),
    Object.entries(control)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join(''),
  );
  write(join(debian, 'conffiles'), `/${CONFIG}\n`);
  const sums = files
    .filter((path) => lstatSync(path).isFile())
    .map((path) => `${md5(path)}  ${path.slice(root.length + 1)}\n`);
  write(join(debian, 'md5sums'), sums.join(''));
  for (const name of SCRIPTS) cpSync(join(ROOT, 'packaging/debian', name), join(debian, name));
}

/** Readable for all, writable for root: whatever the umask was, and the modes of the checkout. */
function setModes(root: string): void {
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const path = join(root, name);
    const status = lstatSync(path);
    if (status.isSymbolicLink()) continue;
    const runs =
      status.isDirectory() || /(^|\/)(bin\/node|hog|oomscope|oomscope\.sh|postinst|prerm|postrm)$/.test(name);
    const data = /^(etc|usr\/share)\//.test(name) && !status.isDirectory();
    chmodSync(path, runs && !data ? 0o755 : 0o644);
  }
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Replaces a file by its compressed form, without a time stamp in it. */
function compress(path: string): void {
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
  rmSync(path);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const md5 = (path: string) => createHash('md5').update(readFileSync(path)).digest('hex');
