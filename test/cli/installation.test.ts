/** What a copy of oomscope that cannot work tells its user, for each way to install it. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reinstallRemedy } from '../../src/native/files.ts';
import { ROOT } from './cli.ts';

let tree: string;
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'oomscope-tree-'));
  chmodSync(tree, 0o755);
  mkdirSync(join(tree, 'scripts'));
  mkdirSync(join(tree, 'bin'));
  for (const name of ['oomscope.sh', 'oomscope.cjs'])
    copyFileSync(join(ROOT, 'scripts', name), join(tree, 'scripts', name));
});
afterEach(() => rmSync(tree, { recursive: true }));

/** A tree as a package has it, with the built command, without native files unless `native`. */
function install(installation: string, { native = false } = {}): void {
  writeFileSync(join(tree, 'installation'), `${installation}\n`);
  writeFileSync(join(tree, 'package.json'), '{ "type": "module" }\n');
  cpSync(join(ROOT, 'dist/cli'), join(tree, 'dist/cli'), { recursive: true });
  if (!native) return;
  mkdirSync(join(tree, 'build'));
  for (const name of ['oomscope.node', 'ffi.cjs', 'ffi_bindings.node', 'ref_bindings.node', 'oomscope.bpf.o'])
    copyFileSync(join(ROOT, 'build', name), join(tree, 'build', name));
}

function run(words: readonly string[], before: readonly string[] = [], variables: NodeJS.ProcessEnv = {}) {
  const command = [...before, process.execPath, join(tree, 'scripts/oomscope.cjs'), ...words];
  const env = { ...process.env, OOMSCOPE_NATIVE: '', ...variables };
  return spawnSync(command[0] as string, command.slice(1), { encoding: 'utf8', env });
}

describe('a package whose Node cannot start', () => {
  test.each([
    ['/nowhere/ld-linux-x86-64.so.2', 'x86-64.so.2'],
    ['/nowhere/ld-linux-aarch64.so.1', 'aarch64.so.1'],
  ])('names the loader %s that the machine lacks', (loader, machine) => {
    writeFileSync(join(tree, 'bin/node'), 'not started', { mode: 0o755 });
    writeFileSync(join(tree, 'bin/loader'), `${loader}\n`);
    const { status, stderr } = spawnSync('sh', [join(tree, 'scripts/oomscope.sh'), 'trace'], { encoding: 'utf8' });
    expect(stderr).toBe(
      `oomscope: this package needs glibc on ${machine} (there is no ${loader}): take the package for this machine, or where musl is the C library, the container image.\n`,
    );
    expect(status).toBe(69);
  });

  test('is started where the loader exists', () => {
    writeFileSync(join(tree, 'bin/node'), '#!/bin/sh\necho started\n', { mode: 0o755 });
    writeFileSync(join(tree, 'bin/loader'), '/bin/sh\n');
    const { stdout } = spawnSync('sh', [join(tree, 'scripts/oomscope.sh'), 'trace'], { encoding: 'utf8' });
    expect(stdout).toBe('started\n');
  });
});

test('without a Node of its own and without one in PATH, the command says which it needs', () => {
  const options = { encoding: 'utf8', env: { PATH: '/nonexistent' } } as const;
  const { status, stderr } = spawnSync('/bin/sh', [join(tree, 'scripts/oomscope.sh'), '--version'], options);
  const sentence = 'oomscope: expected Node 22.13 or later as "node" in PATH, found none';
  expect(stderr).toBe(`${sentence}: run \`sh scripts/setup.sh\` in ${tree}.\n`);
  expect(status).toBe(69);
  writeFileSync(join(tree, 'installation'), 'npm\n');
  const packaged = spawnSync('/bin/sh', [join(tree, 'scripts/oomscope.sh'), '--version'], options);
  rmSync(join(tree, 'installation'));
  expect(packaged.stderr).toBe(
    `${sentence}: install it, or the Debian package or the archive of oomscope, which have their own.\n`,
  );
});

test('a checkout is started with the Node of its setup, by a symbolic link from another folder', () => {
  const folder = join(tree, 'build/node/bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'node'), '#!/bin/sh\necho "started with $1 $2"\n', { mode: 0o755 });
  chmodSync(join(tree, 'scripts/oomscope.sh'), 0o755);
  symlinkSync('../scripts/oomscope.sh', join(tree, 'bin/oomscope'));
  const { stdout } = spawnSync(join(tree, 'bin/oomscope'), ['--version'], { encoding: 'utf8' });
  expect(stdout).toMatch(/^started with .*\/oomscope\.cjs --version\n$/);
});

describe('a package without its native files', () => {
  test.each([
    ['npm', /install oomscope again, with its optional dependencies \(@oomscope\/linux-/],
    ['deb', /: run `apt-get install --reinstall oomscope`\.\n$/],
    ['tarball', /: unpack the archive of this version again\.\n$/],
    ['image', /: use an image of this platform\.\n$/],
  ])('%s: one sentence with the remedy', (installation, remedy) => {
    install(installation);
    const { status, stderr } = run(['demo']);
    expect(stderr).toMatch(remedy);
    expect(stderr).not.toContain('npm run setup');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(status).toBe(69);
  });

  test('without its JavaScript a package says so, and a checkout names the command that builds it', () => {
    writeFileSync(join(tree, 'installation'), 'deb\n');
    expect(run(['trace']).stderr).toMatch(/main\.js is missing: install oomscope again\.\n$/);
    rmSync(join(tree, 'installation'));
    expect(run(['trace']).stderr).toMatch(/main\.js is missing: run `npm run setup` in /);
  });
});

const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

describe.skipIf(process.geteuid?.() !== 0)('what V8 compiled', () => {
  let cache: string;
  const start = (debug: string) => run(['--help'], nobody, { XDG_CACHE_HOME: cache, NODE_DEBUG_NATIVE: debug });
  beforeEach(() => {
    install('npm');
    cache = join(tree, 'cache');
    mkdirSync(cache);
    chownSync(cache, 65534, 65534);
  });

  test('is kept in the cache of the user, and read at the next start', () => {
    expect(start('').status).toBe(0);
    expect(statSync(join(cache, 'oomscope')).mode & 0o777).toBe(0o700);
    expect(start('COMPILE_CACHE').stderr).toMatch(/main\.js was accepted/);
  });

  test('is neither kept nor read where another user may write', () => {
    mkdirSync(join(cache, 'oomscope'));
    chmodSync(join(cache, 'oomscope'), 0o777);
    chownSync(join(cache, 'oomscope'), 65534, 65534);
    expect(start('')).toMatchObject({ status: 0, stderr: '' });
    chownSync(join(cache, 'oomscope'), 0, 0);
    expect(start('')).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(join(cache, 'oomscope'))).toEqual([]);
  });
});

describe.skipIf(process.geteuid?.() !== 0)('without the capabilities', () => {
  test.each([
    ['image', 'start the container with --cap-add BPF --cap-add PERFMON.'],
    ['deb', 'run it as root (sudo).'],
  ])('%s: the remedy that suits', (installation, remedy) => {
    install(installation, { native: true });
    const { status, stderr } = run(['trace'], nobody);
    expect(stderr).toBe(`oomscope: Tracing needs CAP_BPF and CAP_PERFMON, which this process lacks: ${remedy}\n`);
    expect(status).toBe(77);
  });
});

test('a C library that is too old is told from a missing file', () => {
  const message =
    "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.36' not found (required by /usr/lib/oomscope/build/oomscope.node)";
  expect(reinstallRemedy(new Error(message))).toMatch(
    /^it needs glibc 2\.36 or later, and this system has [\d.]+: use a newer distribution/,
  );
  expect(reinstallRemedy(new Error('cannot open shared object file'))).toBe('run `npm run setup`');
});
