/**
 * A real kubelet for the proof that runs one in a guest, compiled like the servers of servers.ts from Debian's source package. It is a
 * program of its own: no test waits for its compilation, and the servers are not compiled again when this changes.
 *
 * Run as a program, it prints the path of the kubelet.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../cache.ts';
import { Suite } from '../lab/apt.ts';

const run = promisify(execFile);
const SUITE = 'bookworm';
const PACKAGES = ['golang-1.19-go', 'golang-1.19-src', 'golang-github-modern-go-reflect2-dev'];

/** @returns the path of the kubelet, which is compiled when it is first needed: three minutes of CPU */
export async function kubelet(): Promise<string> {
  const target = join(cacheDirectory('kubernetes'), `kubelet-${ownHash()}`);
  if (existsSync(target)) return target;
  mkdirSync(cacheDirectory('kubernetes'), { recursive: true });
  const work = mkdtempSync(`${target}-`);
  try {
    await download(work);
    await compile(work);
    renameSync(join(work, 'kubelet'), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return target;
}

async function download(work: string): Promise<void> {
  const suite = await Suite.open(SUITE, join(work, 'packages'), { sources: true });
  for (const path of await suite.download(PACKAGES)) await run('dpkg-deb', ['-x', path, join(work, 'root')]);
  const description = (await suite.downloadSources(['kubernetes'])).find((path) => path.endsWith('.dsc'));
  if (description === undefined) throw new Error('expected a .dsc file of kubernetes');
  await run('dpkg-source', ['--no-check', '-x', description, join(work, 'source')], { maxBuffer: 2 ** 26 });
}

/** In Go's old mode with GOPATH, and with a reflect2 that works with this Go: see servers.ts. */
async function compile(work: string): Promise<void> {
  process.stderr.write('kubernetes: compile kubelet\n');
  const source = join(work, 'gopath/src/k8s.io/kubernetes');
  mkdirSync(join(source, '..'), { recursive: true });
  symlinkSync(join(work, 'source'), source);
  const reflect2 = 'github.com/modern-go/reflect2';
  rmSync(join(work, 'source/vendor', reflect2), { recursive: true });
  cpSync(join(work, 'root/usr/share/gocode/src', reflect2), join(work, 'source/vendor', reflect2), { recursive: true });
  const goroot = join(work, 'root/usr/lib/go-1.19');
  const env = {
    ...process.env,
    ...{ GOROOT: goroot, GOPATH: join(work, 'gopath'), GO111MODULE: 'off', GOPROXY: 'off', GOFLAGS: '' },
    ...{ CGO_ENABLED: '0', GOCACHE: join(work, 'cache'), GOTMPDIR: work, PWD: source },
    PATH: `${join(goroot, 'bin')}:${process.env.PATH}`,
  };
  const version = '-X k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v1.20.2';
  const words = ['build', '-p', '2', '-o', join(work, 'kubelet'), '-ldflags', `-s -w ${version}`, './cmd/kubelet'];
  await run('nice', ['-n', '19', 'go', ...words], { cwd: source, env, maxBuffer: 2 ** 28 });
}

/** Changes when this script changes. */
function ownHash(): string {
  return createHash('sha256')
    .update(readFileSync(import.meta.filename))
    .digest('hex')
    .slice(0, 16);
}

if (process.argv[1] === import.meta.filename) process.stdout.write(`${await kubelet()}\n`);
