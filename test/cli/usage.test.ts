/**
 * Wrong input, or a machine that lacks something: the command prints one sentence and ends with a specific exit code.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import schema from '../../src/model/oomscope-v1.schema.json' with { type: 'json' };
import { MAIN, oomscope, ROOT } from './cli.ts';

const node = process.execPath;
const oneLine = /^oomscope: [^\n]+[.?]\n$/;

describe('bad options', () => {
  it.each([
    [[], 'Expected a verb'],
    [['tarce'], 'got "tarce". Did you mean "trace"?'],
    [['constructor'], 'got "constructor"'],
    [['trace', '--jsno'], 'There is no option "--jsno". Did you mean "--json"?'],
    [['trace', '--frobnicate'], 'There is no option "--frobnicate". See `oomscope trace --help`'],
    [['trace', '-x'], 'There is no option "-x"'],
    [['trace', '--json=yes'], '--json: expected no value, got "yes"'],
    [
      ['trace', '--comm', '--text'],
      '--comm: expected GLOB, got "--text"; a value that begins with a dash is written --comm=--text',
    ],
    [['trace', 'extra'], 'Expected no argument, got "extra"'],
    [['trace', '--count', '0'], '--count: expected a whole number from 1, got "0"'],
    [['trace', '--count', '1e3'], 'got "1e3"'],
    [['trace', '--count'], '--count: expected N, got nothing'],
    [['trace', '--duration', '5 minutes'], '--duration: expected a time such as'],
    [['trace', '--duration', '90d'], 'up to 24d'],
    [['trace', '--kind', 'dead'], '--kind: expected one of killed, already_dying'],
    [['trace', '--ring', '1000'], 'expected a power of two'],
    [['trace', '--ring', 'big'], '--ring: expected a size'],
    [['trace', '--json', '--text'], 'expected one of them, got both'],
    [['pressure', '--level', 'high'], '--level: expected one of low, medium, critical, got "high"'],
    [['pressure', '--window', '1ms'], '--window: expected 2ms to 10s'],
    [['pressure', '--window', '1s,100ms'], 'expected the shortest first'],
    [['pressure', '--window', '1ms,2ms,3ms,4ms'], 'expected one to three times, got 4'],
    [['pressure', '--psi', '--window', '100ms'], 'with --psi expected one window of 500ms to 10s, got 100ms'],
    [['pressure', '--psi', '--stall', '10ms'], 'do not report single stalls'],
    [['pressure', '--stall', '2h'], '--stall: expected at most 1h'],
    [['pressure', '--cgroup', 'system.slice'], '--cgroup: expected a path below the mount point'],
    [
      ['pressure', '--psi', '--cgroup', '/no/such'],
      'there is no memory cgroup "/no/such". With --wait oomscope waits for it',
    ],
    [['pressure', '--psi', '--reclaim', '/a'], '--reclaim: expected a cgroup and a size'],
    [['pressure', '--psi', '--reclaim', '/a=much'], '--reclaim: expected a size such as'],
    [['pressure', '--psi', '--reclaim', '/no/such=1M'], '--reclaim: expected'],
    [['pressure', '--json', '--text'], 'expected one of them, got both'],
    [['doctor', '--yaml'], '"--yaml"'],
    [['schema', '--v2'], '"--v2"'],
    [['help', 'tarce'], 'got "tarce". Did you mean "trace"?'],
  ])('%j', async (args, part) => {
    const { code, stdout, stderr } = await oomscope(args);
    expect(stderr).toMatch(oneLine);
    expect(stderr).toContain(part);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

describe('the error for a former name of an option suggests the present name', () => {
  it.each([
    [['guard', '--on', '/app'], '--cgroup'],
    [['record', '--on', '/app'], '--cgroup'],
    [['scores', '--domain', '/app'], '--cgroup'],
    [['tree', '/app'], '--cgroup /app'],
    [['protect', 'apply', '--state', 'x'], '--state-file'],
    [['protect', 'undo', '--state', 'x'], '--state-file'],
    [['protect', 'list', '--state', 'x'], '--state-file'],
    [['alert', 'test', 'file=/x min=warning'], 'level'],
  ])('%j', async (args, name) => {
    const { code, stderr } = await oomscope(args);
    expect(stderr).toContain(`Did you mean "${name}"?`);
    expect(code).toBe(2);
  });
});

test.each([
  [['explain', '/nowhere/x']],
  [['replay', '/nowhere/x']],
  [['replay', '--config', '/nowhere/x', join(ROOT, 'package.json')]],
  [['run', '--config', '/nowhere/x']],
  [['guard', '--config', '/nowhere/x']],
  [['record', '--config', '/nowhere/x']],
  [['config', 'check', '/nowhere/x']],
  [['config', 'print', '/nowhere/x']],
  [['config', 'import', 'earlyoom', '/nowhere/x']],
  [['systemd', 'install', '--config', '/nowhere/x', '--directory', '/nowhere']],
  [['protect', 'plan', '--profiles', '/nowhere/x']],
  [['protect', 'list', '--profiles', '/nowhere/x']],
])('a missing input file has the exit code 66: %j', async (args) => {
  const { code, stdout, stderr } = await oomscope(args);
  expect(stderr).toContain('/nowhere/x');
  expect({ code, stdout }).toEqual({ code: 66, stdout: '' });
});

describe('schema', () => {
  it('prints the schema file of the package', async () => {
    const { code, stdout } = await oomscope(['schema']);
    expect(JSON.parse(stdout)).toEqual(schema);
    expect(code).toBe(0);
  });

  it('the schema in the package equals the one generated from the types', () => {
    const out = join(mkdtempSync(join(tmpdir(), 'oomscope-')), 'schema.json');
    execFileSync('sh', [join(ROOT, 'scripts/schema.sh'), out], { stdio: 'pipe' });
    expect(JSON.parse(execFileSync('cat', [out], { encoding: 'utf8' }))).toEqual(schema);
    rmSync(join(out, '..'), { recursive: true });
  });
});

// Runs the command in a new mount namespace, in which `script` hides a file.
const hiding = (script: string) => ['unshare', '-m', 'sh', '-c', `${script} && exec "$0" "$@"`, node, MAIN];
// Runs the command as root without capabilities. Root can read this repository in any directory.
const unprivileged = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', node, MAIN];

describe.skipIf(process.geteuid?.() !== 0)(
  'on a machine that lacks a kernel feature, a privilege or a file, the command',
  () => {
    let dir: string;
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'oomscope-'));
    });
    afterAll(() => rmSync(dir, { recursive: true }));

    /** A copy of the installation without one file. */
    const without = (name: string) => {
      const copy = mkdtempSync(join(dir, 'without-'));
      cpSync(join(ROOT, 'dist'), join(copy, 'dist'), { recursive: true });
      for (const file of ['oomscope.node', 'oomscope.bpf.o', 'ffi.cjs', 'ffi_bindings.node', 'ref_bindings.node']) {
        if (file !== name) cpSync(join(ROOT, 'build', file), join(copy, 'build', file));
      }
      cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'));
      return [node, join(copy, 'dist/cli/main.js')];
    };

    it('names the missing capabilities and exits with code 77, without privileges', async () => {
      const { code, stdout, stderr } = await oomscope(['trace', '--json'], unprivileged);
      expect(stderr).toMatch(oneLine);
      expect(stderr).toContain('CAP_BPF and CAP_PERFMON');
      expect(stdout).toBe('');
      expect(code).toBe(77);
    });

    it('names the missing capability when only one is missing', async () => {
      const command = ['setpriv', '--bounding-set=-sys_admin,-perfmon', '--inh-caps=-all', node, MAIN];
      const { code, stderr } = await oomscope(['trace'], command);
      expect(stderr).toContain('needs CAP_PERFMON,');
      expect(code).toBe(77);
    });

    it('names the kernel option for BTF and exits with code 69, without kernel BTF', async () => {
      const { code, stderr } = await oomscope(['trace'], hiding('mount -t tmpfs none /sys/kernel/btf'));
      expect(stderr).toMatch(oneLine);
      expect(stderr).toContain('CONFIG_DEBUG_INFO_BTF');
      expect(stderr).toContain('explain, scores, pressure and guard work without it');
      expect(code).toBe(69);
    });

    it.each([
      ['scores', ['scores', '--json'], 0],
      ['pressure', ['pressure', '--duration', '1s'], 0],
      ['guard', ['guard', '--duration', '1s'], 0],
    ])('%s works without kernel BTF, as the message says', async (_, words, expected) => {
      const { code, stderr } = await oomscope(words, hiding('mount -t tmpfs none /sys/kernel/btf'));
      expect(stderr).not.toContain('Error');
      expect(code).toBe(expected);
    });

    it('says to mount /sys and exits with code 69, where nothing is mounted there', async () => {
      const { code, stderr } = await oomscope(['trace'], hiding('mount -t tmpfs none /sys'));
      expect(stderr).toMatch(oneLine);
      expect(stderr).toContain('mount -t sysfs sysfs /sys');
      expect(code).toBe(69);
    });

    it('names the oldest kernel and what works all the same, on a kernel that is too old', async () => {
      // The personality UNAME26 changes what uname(2) says, not the kernel.
      const { code, stderr } = await oomscope(['trace'], ['setarch', '--uname-2.6', node, MAIN]);
      expect(stderr).toMatch(oneLine);
      expect(stderr).toMatch(/Linux 5\.10 or later is needed; this is 2\.6\..*explain and scores work/);
      expect(code).toBe(69);
    });

    it('names the package of libbpf and exits with code 69, without libbpf', async () => {
      const hide =
        'for f in $(ldconfig -p | sed -n "s/.*libbpf[.]so[.]1 .*=> //p"); do mount --bind /dev/null $f || exit 9; done';
      const { code, stderr } = await oomscope(['trace'], hiding(hide));
      expect(stderr).toMatch(oneLine);
      expect(stderr).toContain('libbpf1');
      expect(code).toBe(69);
    });

    it.each([
      ['oomscope.node', 'The native addon'],
      ['oomscope.bpf.o', 'The BPF object'],
      ['ffi.cjs', 'The bindings of ffi-napi'],
      ['ffi_bindings.node', 'The bindings of ffi-napi'],
    ])('names the missing part of the installation and exits with code 69, without %s', async (file, part) => {
      const { code, stderr } = await oomscope(['trace'], without(file));
      expect(stderr).toContain(part);
      expect(stderr).toContain('npm run setup');
      expect(code).toBe(69);
    });

    it('reports in doctor what an unprivileged user lacks, and no problem for root', async () => {
      const stranger = await oomscope(['doctor', '--json'], unprivileged);
      expect(stranger.code).toBe(1);
      const told = JSON.parse(stranger.stdout);
      expect(told.can_trace).toBe(false);
      expect(
        told.findings
          .filter(({ severity }: { severity: string }) => severity === 'missing')
          .map(({ name }: { name: string }) => name),
      ).toEqual(['privileges']);
      expect(told.hooks).toHaveLength(14);

      const root = await oomscope(['doctor', '--json']);
      expect(root.code).toBe(0);
      expect(JSON.parse(root.stdout)).toMatchObject({ can_trace: true });

      const broken = await oomscope(['doctor', '--json'], without('oomscope.node'));
      expect(broken.code).toBe(1);
      expect(JSON.parse(broken.stdout).hooks).toEqual([]);
    });
  },
);
