/**
 * A real kube-apiserver and etcd for tests. Debian has no package of the server, but its source package `kubernetes` holds the
 * whole program with every Go package that it needs. It is compiled once for a machine, with Debian's Go; nothing comes
 * from elsewhere.
 *
 * Run as a program, it prints the folder of the servers.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../cache.ts';
import { Suite } from '../lab/apt.ts';

const run = promisify(execFile);
/** The last suite of Debian whose source package has the servers. Later ones have only kubectl. */
const SUITE = 'bookworm';
const SOURCE = 'kubernetes';
const PACKAGES = ['golang-1.19-go', 'golang-1.19-src', 'golang-github-modern-go-reflect2-dev', 'etcd-server'];
/** A kubectl with a kustomize that is not the one of 2018. */
const KUBECTL = { suite: 'trixie', name: 'kubectl' };
/** Names of what the folder of the servers has. */
const MADE = ['kube-apiserver', 'etcd', 'kubectl', 'swagger.json', 'copyright'];

/** Exists while this version of the script has made the servers on this machine. */
const directory = () => join(cacheDirectory('kubernetes'), `servers-${ownHash()}`);

/** @returns the folder with the programs and swagger.json, or undefined if they were not made yet */
export function madeServers(): string | undefined {
  return MADE.every((name) => existsSync(join(directory(), name))) ? directory() : undefined;
}

/**
 * Makes the servers, or waits until another process has made them: `flock` lets only one process compile.
 *
 * @returns the folder with kube-apiserver, etcd, kubectl, swagger.json and the licence
 */
export async function servers(): Promise<string> {
  const made = madeServers();
  if (made !== undefined) return made;
  mkdirSync(cacheDirectory('kubernetes'), { recursive: true });
  const lock = join(cacheDirectory('kubernetes'), 'lock');
  await run('flock', [lock, process.execPath, import.meta.filename, 'locked'], { maxBuffer: 2 ** 26 });
  return madeServers() ?? fail(`expected ${MADE.join(', ')} in ${directory()}`);
}

async function make(): Promise<string> {
  const target = directory();
  if (madeServers() !== undefined) return target;
  const work = mkdtempSync(`${target}-`);
  try {
    await download(work);
    const go = await prepare(work);
    await generate(go);
    await compile(go);
    const made = join(work, 'made');
    mkdirSync(made);
    copyFileSync(join(work, 'kube-apiserver'), join(made, 'kube-apiserver'));
    for (const name of ['etcd', 'kubectl']) copyFileSync(join(work, 'root/usr/bin', name), join(made, name));
    copyFileSync(join(go.source, 'api/openapi-spec/swagger.json'), join(made, 'swagger.json'));
    copyFileSync(join(go.source, 'debian/copyright'), join(made, 'copyright'));
    rmSync(target, { recursive: true, force: true });
    renameSync(made, target);
  } finally {
    removeLater(target);
  }
  return target;
}

/**
 * Removes the folders in which the servers were made, in a process of its own: on a disk that discards what is freed, their 40,000 files take
 * minutes, for which other processes would wait.
 */
function removeLater(target: string): void {
  const folders = readdirSync(dirname(target)).filter((name) => name.startsWith(`${basename(target)}-`));
  const paths = folders.map((name) => join(dirname(target), name));
  spawn('nice', ['-n', '19', 'rm', '-rf', '--', ...paths], { detached: true, stdio: 'ignore' }).unref();
}

/** Unpacks the source into work/source, and the binary packages into work/root. */
async function download(work: string): Promise<void> {
  const packages = join(work, 'packages');
  const later = await Suite.open(KUBECTL.suite, join(work, KUBECTL.suite));
  for (const path of await later.download([KUBECTL.name])) await run('dpkg-deb', ['-x', path, join(work, 'root')]);
  const suite = await Suite.open(SUITE, packages, { sources: true });
  for (const path of await suite.download(PACKAGES)) await run('dpkg-deb', ['-x', path, join(work, 'root')]);
  const description = (await suite.downloadSources([SOURCE])).find((path) => path.endsWith('.dsc'));
  if (description === undefined) fail(`expected a .dsc file of ${SOURCE}`);
  say(`unpack ${basename(description)}`);
  await run('dpkg-source', ['--no-check', '-x', description, join(work, 'source')], { maxBuffer: 2 ** 26 });
  rmSync(packages, { recursive: true });
}

interface Go {
  /** The folder of the sources, as a path in GOPATH. */
  source: string;
  work: string;
  run: (...words: string[]) => Promise<void>;
}

/** The sources compile only in Go's old mode with GOPATH: Debian's tree has changed packages, which go.mod does not list. */
async function prepare(work: string): Promise<Go> {
  const source = join(work, 'gopath/src/k8s.io/kubernetes');
  mkdirSync(join(source, '..'), { recursive: true });
  symlinkSync(join(work, 'source'), source);
  // Go 1.18 changed what the vendored reflect2 relies on: the server would panic at the first POST of a Node.
  const reflect2 = 'vendor/github.com/modern-go/reflect2';
  rmSync(join(work, 'source', reflect2), { recursive: true });
  cpSync(join(work, 'root/usr/share/gocode/src/github.com/modern-go/reflect2'), join(work, 'source', reflect2), {
    recursive: true,
  });
  const goroot = join(work, 'root/usr/lib/go-1.19'); // its links into /usr/share are relative
  const env = {
    ...process.env,
    ...{
      GOROOT: goroot,
      GOPATH: join(work, 'gopath'),
      GO111MODULE: 'off',
      GOPROXY: 'off',
      GOFLAGS: '',
      CGO_ENABLED: '0',
    },
    ...{ GOCACHE: join(work, 'cache'), GOTMPDIR: work, PWD: source },
    PATH: `${join(goroot, 'bin')}:${process.env.PATH}`,
  };
  return {
    source,
    work,
    run: async (program, ...words) => {
      await run('nice', ['-n', '19', program, ...words], { cwd: source, env, maxBuffer: 2 ** 28 });
    },
  };
}

/** Makes pkg/generated/openapi, which is not in the source package. */
async function generate(go: Go): Promise<void> {
  say('generate the API description');
  const marked = await run(
    'grep',
    ['-rlE', '--include=*.go', '^// \\+k8s:openapi-gen=true', 'pkg', 'staging/src', 'cmd'],
    { cwd: go.source, maxBuffer: 2 ** 26 },
  );
  const folders = marked.stdout
    .trim()
    .split('\n')
    .map((path) => path.slice(0, path.lastIndexOf('/')).replace(/^staging\/src\//, 'vendor/'));
  const inputs = [...new Set(folders)].filter((path) => !/testdata|\/examples?\//.test(path)).sort();
  await go.run(
    'go',
    'build',
    '-p',
    '2',
    '-o',
    join(go.work, 'openapi-gen'),
    './vendor/k8s.io/kube-openapi/cmd/openapi-gen',
  );
  await go.run(
    join(go.work, 'openapi-gen'),
    ...['--go-header-file', 'hack/boilerplate/boilerplate.generatego.txt'],
    ...['--output-file-base', 'zz_generated.openapi', '--output-base', join(go.work, 'gopath/src')],
    ...[
      '--output-package',
      'k8s.io/kubernetes/pkg/generated/openapi',
      '--report-filename',
      join(go.work, 'violations'),
    ],
    ...['--input-dirs', inputs.map((path) => `k8s.io/kubernetes/${path}`).join(',')],
  );
}

async function compile(go: Go): Promise<void> {
  say('compile kube-apiserver');
  await go.run(
    'go',
    'build',
    '-p',
    '2',
    '-o',
    join(go.work, 'kube-apiserver'),
    '-ldflags',
    '-s -w',
    './cmd/kube-apiserver',
  );
}

/** Changes when this script changes: another suite, patch or set of packages is another server. */
function ownHash(): string {
  return createHash('sha256')
    .update(readFileSync(import.meta.filename))
    .digest('hex')
    .slice(0, 16);
}

function say(sentence: string): void {
  process.stderr.write(`kubernetes: ${sentence}\n`);
}

function fail(sentence: string): never {
  throw new Error(sentence);
}

if (process.argv[1] === import.meta.filename) {
  const folder = await (process.argv[2] === 'locked' ? make() : servers());
  process.stdout.write(`${folder}\n`);
}
