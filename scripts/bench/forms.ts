/**
 * Compares the forms in which oomscope is installed with Debian's earlyoom and bpftrace: size, memory, time to start.
 *
 *   npm run package && npm run bench:forms -- [--starts N]
 *
 * Needs root. The packages of Debian are asked for their sizes in a new system, in which nothing else is installed.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Daemon, startDocker, unavailable } from '../../test/runtimes/daemon.ts';
import { cacheDirectory } from '../cache.ts';
import { debianSystem } from '../lab/debian.ts';
import { realEarlyoom } from '../lab/earlyoom.ts';
import { manifest } from '../package/package.ts';
import { type Footprint, footprint } from './process-figures.ts';
import { circumstances, inWords, summarize, table } from './report.ts';
import { bpftraceCommand, bpftraceVersion } from './rivals.ts';

const { values } = parseArgs({ options: { starts: { type: 'string', default: '9' } } });
const PACKAGES = resolve(import.meta.dirname, '../../build/packages');
/** Memory is read when the process has been idle for this time. */
const SETTLE_MS = 4000;
const MB = 1e6;

interface Size {
  /** What is downloaded, with dependencies that a minimal Debian lacks (MB). */
  packed: string;
  /** What it occupies on disk (MB). */
  unpacked: string;
}

interface Program {
  name: string;
  size: Size;
  command: readonly string[];
  /** The line after which it watches. */
  ready: RegExp;
}

const work = mkdtempSync(join(tmpdir(), 'oomscope-forms-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const where = circumstances();
const started = /tracer\.started/;
const trace = ['trace', '--json'];
const programs: Program[] = [];

for (const [name, pattern, home] of [
  ['.deb', /_amd64\.deb$/, 'usr/lib/oomscope'],
  ['archive', /-linux-x64\.tar\.gz$/, ''],
] as const) {
  const file = packageFile(pattern);
  const tree = join(work, name);
  mkdirSync(tree);
  execFileSync(
    name === '.deb' ? 'dpkg-deb' : 'tar',
    name === '.deb' ? ['-x', file, tree] : ['xzf', file, '-C', tree, '--strip-components=1'],
  );
  const command = [join(tree, home, 'oomscope'), ...trace];
  programs.push({
    name: `oomscope ${name}, with Node`,
    size: { packed: size(file), unpacked: used(tree) },
    command,
    ready: started,
  });
}
programs.push(npmPackage());

const wanted = ['earlyoom', 'bpftrace'];
const sizes = await debianSizes(wanted);
const threshold = ['-m', '1', '-r', '0'];
programs.push({
  name: 'earlyoom 1.7',
  size: sizes.earlyoom as Size,
  command: [await realEarlyoom('1.7'), ...threshold],
  ready: /SIGKILL when/,
});
const version = bpftraceVersion();
if (version !== undefined) {
  const [script = '', ...rest] = bpftraceCommand().toReversed();
  const command = [...rest.toReversed(), `${script} BEGIN { printf("started\\n"); }`];
  programs.push({
    name: `bpftrace ${version}, tracepoint oom:mark_victim`,
    size: sizes.bpftrace as Size,
    command,
    ready: /^started/,
  });
}

const rows = [['', 'packed MB', 'on disk MB', 'RSS MB', 'of it anonymous', 'fastest start ms', 'median start ms']];
for (const {
  name,
  size: { packed, unpacked },
  command,
  ready,
} of programs) {
  const times: number[] = [];
  for (let i = 0; i < Number(values.starts); i++) times.push((await run(command, ready, 0)).ms);
  const { memory } = await run(command, ready, SETTLE_MS);
  const { min = 0, p50 = 0 } = summarize(times) ?? {};
  rows.push([name, packed, unpacked, mb(memory.rss_kib), mb(memory.anonymous_kib), min.toFixed(0), p50.toFixed(0)]);
}
rows.push(...(await imageRows()));
where.load_after = circumstances().load_before;
process.stdout.write(`${table(rows)}\n${inWords(where)}\n`);

/**
 * Starts a program until it watches.
 *
 * @param settleMs how long it then runs before its memory is read
 * @param process finds the process whose memory is read; without it, it is the one that was started
 */
async function run(command: readonly string[], ready: RegExp, settleMs: number, process?: () => Promise<number>) {
  const begin = performance.now();
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const ms = await new Promise<number>((done, fail) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (ready.test(line)) done(performance.now() - begin);
      });
    }
    child.once('error', fail);
    child.once('exit', (code) => fail(new Error(`${command.join(' ')} ended with ${code} before it watched`)));
  });
  if (settleMs > 0) await sleep(settleMs);
  const memory = footprint((await process?.()) ?? (child.pid as number));
  child.kill('SIGKILL');
  await ended;
  return { ms, memory };
}

/**
 * The image in a real dockerd. The container exists already when the time begins, because the storage driver `vfs`, which works everywhere,
 * copies the whole image to make one. dockerd itself needs much of the time, so the same is measured with a container of BusyBox.
 */
async function imageRows(): Promise<string[][]> {
  const image = packageFile(/-image-x64\.tar$/);
  const sizes = [size(image), String(uncompressed(image))];
  const reason = unavailable('dockerd', 'docker');
  if (reason !== undefined) return [['oomscope container image', ...sizes, reason, '', '', '']];
  const daemon = await startDocker();
  try {
    await daemon.command(['load', '--input', image]);
    // dockerd 20.10 of Debian 12 knows neither CAP_BPF nor CAP_PERFMON: see docs/install.md.
    const rights = ['--cap-drop', 'ALL', ...['SYS_ADMIN', 'SYS_PTRACE', 'SYSLOG'].flatMap((one) => ['--cap-add', one])];
    const options = ['--pid', 'host', '--network', 'none', '--security-opt', 'seccomp=unconfined', '--read-only'];
    const own = await startTimes(daemon, [...options, ...rights, `oomscope:${manifest.version}`, ...trace], started);
    const empty = await startTimes(daemon, [...options, 'box:1', 'sh', '-c', 'echo started; sleep 60'], /^started/);
    const container = (name: string, size: string[], { memory, times }: Awaited<ReturnType<typeof startTimes>>) => {
      const { min = 0, p50 = 0 } = summarize(times) ?? {};
      return [name, ...size, mb(memory.rss_kib), mb(memory.anonymous_kib), min.toFixed(0), p50.toFixed(0)];
    };
    return [
      container('oomscope container image, `docker start`', sizes, own),
      container('BusyBox `sh` in a container, `docker start`', ['', ''], empty),
    ];
  } finally {
    await daemon.close();
  }
}

async function startTimes(daemon: Daemon, words: readonly string[], ready: RegExp) {
  const times: number[] = [];
  let memory: Footprint | undefined;
  for (let i = 0; i <= Number(values.starts); i++) {
    const id = await daemon.command(['create', ...words]);
    const command = ['docker', '--host', `unix://${daemon.socket}`, 'start', '--attach', id];
    const last = i === Number(values.starts);
    const idOfProcess = async () => Number(await daemon.command(['inspect', '--format', '{{.State.Pid}}', id]));
    const result = await run(command, ready, last ? SETTLE_MS : 0, idOfProcess);
    if (last) memory = result.memory;
    else times.push(result.ms);
    await daemon.command(['rm', '--force', id]);
  }
  return { times, memory: memory as Footprint };
}

function npmPackage(): Program {
  const files = [packageFile(/^oomscope-linux-x64-glibc-.*\.tgz$/), packageFile(/^oomscope-\d[^-]*\.tgz$/)];
  const project = join(work, 'npm');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  execFileSync('npm', ['install', '--offline', '--silent', ...files], { cwd: project, stdio: 'pipe' });
  const packed = (files.reduce((sum, file) => sum + statSync(file).size, 0) / MB).toFixed(1);
  // The command looks for Node in PATH.
  const command = [
    'env',
    `PATH=${dirname(process.execPath)}:${process.env.PATH}`,
    join(project, 'node_modules/.bin/oomscope'),
    ...trace,
  ];
  return {
    name: "oomscope npm, with the machine's Node",
    size: { packed, unpacked: used(join(project, 'node_modules')) },
    command,
    ready: started,
  };
}

/** What apt says that it would download and unpack on a minimal Debian 12. */
async function debianSizes(names: readonly string[]): Promise<Record<string, Size>> {
  const root = join(work, 'debian');
  mkdirSync(root);
  execFileSync('tar', ['xf', await debianSystem('bookworm', [], cacheDirectory('packages')), '-C', root]);
  if (existsSync('/etc/resolv.conf')) cpSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'));
  const inside = (...words: string[]) =>
    execFileSync('chroot', [root, 'env', 'LC_ALL=C', ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  inside('apt-get', '-qq', '-o', 'Acquire::Check-Valid-Until=false', 'update');
  const sizes = names.map((name) => {
    // --assume-no ends with 1 after it has told the sizes.
    const told = inside('sh', '-c', 'apt-get install --assume-no --no-install-recommends "$1" || true', 'sh', name);
    const get = (pattern: RegExp) => {
      const [, number = '', unit = ''] = pattern.exec(told) ?? [];
      return unit === 'kB' ? (Number(number.replaceAll(',', '')) / 1000).toFixed(2) : number;
    };
    return [name, { packed: get(/Need to get ([\d.,]+) (\w?B)/), unpacked: get(/this operation, ([\d.,]+) (\w?B)/) }];
  });
  return Object.fromEntries(sizes) as Record<string, Size>;
}

function packageFile(pattern: RegExp): string {
  const name = existsSync(PACKAGES) ? readdirSync(PACKAGES).find((each) => pattern.test(each)) : undefined;
  if (name === undefined) throw new Error(`expected a package ${pattern} in ${PACKAGES}: run \`npm run package\``);
  return join(PACKAGES, name);
}

/** The size of the image's only layer, without compression (MB). */
function uncompressed(archive: string): number {
  const text = execFileSync('tar', ['xOf', archive, 'manifest.json'], { encoding: 'utf8' });
  const [
    {
      Layers: [layer = ''],
    } = { Layers: [] },
  ] = JSON.parse(text) as { Layers: string[] }[];
  const script = 'tar xOf "$1" "$2" | gzip -dc | wc -c';
  const bytes = execFileSync('sh', ['-c', script, 'sh', archive, layer], { encoding: 'utf8' });
  return Math.round(Number(bytes) / MB);
}

function size(file: string): string {
  return (statSync(file).size / MB).toFixed(1);
}

function used(directory: string): string {
  return (Number(execFileSync('du', ['-sb', directory], { encoding: 'utf8' }).split('\t')[0]) / MB).toFixed(1);
}

function mb(kib: number): string {
  return ((kib * 1024) / MB).toFixed(1);
}
