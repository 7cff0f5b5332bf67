/** Machines and processes that lack what every verb needs: one sentence, one exit code, and an end. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { tooManyFiles } from '../../src/cli/verb/surroundings.ts';
import { bpfUnavailable } from '../kernel/unavailable.ts';
import { ended, MAIN, oomscope, ROOT } from './cli.ts';

let directory = '';
let config = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
  config = join(directory, 'oomscope.toml');
  writeFileSync(config, '[guard]\nmode = "enforce"\n[[guard.rule]]\nname = "x"\nwhen = ["available < 1K"]\n');
  return () => rmSync(directory, { recursive: true });
});

const run = () => ['run', '--config', config, '--duration', '300ms'];
const verbs: Record<string, () => string[]> = {
  run,
  trace: () => ['trace', '--duration', '300ms'],
  guard: () => ['guard', '--enforce', '--when', 'available < 1K', '--duration', '300ms'],
  scores: () => ['scores'],
  tree: () => ['tree'],
  doctor: () => ['doctor'],
};

/** Runs a verb behind a shell command that takes something away. */
async function without(take: string, words: string[], unshared = false) {
  const shell = ['sh', '-c', `${take} && exec "$@"`, 'sh', process.execPath, MAIN, ...words];
  const [file = '', ...args] = unshared ? ['unshare', '-m', ...shell] : shell;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000, killSignal: 'SIGKILL' });
  return ended(child);
}

it.each([
  [1023, 'to 1024'],
  [1024, 'above 1024'],
  [20_000, 'above 20000'],
])('advises a limit of open files that is higher than the present one (%i)', (limit, to) => {
  expect(tooManyFiles(limit)).toBe(
    `Too many files are open: raise the limit ${to} (ulimit -n, or LimitNOFILE= of the unit).`,
  );
});

const mayMount = process.geteuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;

describe.skipIf(bpfUnavailable())('with few open files', () => {
  it.each([40, 64, 100])('run ends with one sentence (ulimit -n %i)', async (most) => {
    const { code, stdout, stderr } = await without(`ulimit -n ${most}`, run());
    expect(stderr.split('\n').filter((line) => line.startsWith('oomscope: Too many files are open'))).toEqual([
      'oomscope: Too many files are open: raise the limit to 1024 (ulimit -n, or LimitNOFILE= of the unit).',
    ]);
    expect(stderr).not.toMatch(/internal error|libbpf/);
    expect([code, stdout]).toEqual([69, expect.any(String)]);
  });

  it('the command says so where Node itself would crash', () => {
    const words = ['-c', `ulimit -n 18 && exec ${ROOT}/scripts/oomscope.sh --version`];
    const { status, stderr } = spawnSync('sh', words, { encoding: 'utf8' });
    expect(stderr).toMatch(/^oomscope: Too many files are open: raise the limit to 1024 .*; it is 18\.\n$/);
    expect(status).toBe(69);
  });
});

describe.skipIf(bpfUnavailable() || process.geteuid?.() !== 0)('without the rights, before a spool is opened', () => {
  const sink = () => ['--alert', `webhook=http://127.0.0.1:1/ spool=${join(directory, 'spool')}`];
  // A guard that enforces needs CAP_KILL or the user root, the others CAP_BPF.
  const nobody = ['--bounding-set=-all', '--inh-caps=-all', '--reuid=65534', '--clear-groups', process.execPath, MAIN];
  it.each([
    ['trace', ['trace'], 'Tracing needs '],
    ['guard --enforce', ['guard', '--enforce', '--when', 'available < 1K'], 'The guard cannot enforce, '],
    ['guard --shadow', ['guard', '--shadow', '--when', 'available < 1K'], 'Tracing needs '],
  ])('%s ends with one sentence', async (_, words, sentence) => {
    chmodSync(directory, 0o777);
    const all = [...nobody, ...words, ...sink(), '--duration', '300ms'];
    const { code, stderr } = await ended(spawn('setpriv', all, { stdio: ['ignore', 'pipe', 'pipe'] }));
    expect(stderr).toContain(`oomscope: ${sentence}`);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(77);
    expect(existsSync(join(directory, 'spool'))).toBe(false);
  });

  it('run ends with one sentence where its guard may not enforce', async () => {
    const off = '[trace]\nenabled = false\n[pressure]\nenabled = false\n';
    const alert = `[[alert]]\nsink = "webhook"\ntarget = "http://127.0.0.1:1/"\nspool = "${join(directory, 'spool')}"\n`;
    writeFileSync(config, `${off}${readFileSync(config, 'utf8')}${alert}`);
    chmodSync(directory, 0o777);
    const { code, stderr } = await ended(
      spawn('setpriv', [...nobody, ...run()], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    expect(stderr).toContain('oomscope: The guard cannot enforce, ');
    expect(code).toBe(77);
    expect(existsSync(join(directory, 'spool'))).toBe(false);
  });
});

describe.skipIf(!mayMount)('without /proc', () => {
  it.each(Object.keys(verbs))('%s ends with one sentence', async (name) => {
    const { code, stderr } = await without('mount -t tmpfs none /proc', verbs[name]?.() ?? [], true);
    expect(stderr).toBe('oomscope: There is no /proc here: mount it (mount -t proc proc /proc).\n');
    expect(code).toBe(69);
  });
});

describe.skipIf(!mayMount)('without a cgroup file system', () => {
  it.each(Object.keys(verbs))('%s works without it, or ends with one sentence', async (name) => {
    const { code, stderr } = await without('mount -t tmpfs none /sys/fs/cgroup', verbs[name]?.() ?? [], true);
    expect(stderr).not.toContain('internal error');
    if (code === 0) return;
    expect(stderr).toMatch(/oomscope: There is no cgroup file system at \/sys\/fs\/cgroup.*: mount it\.\n$/);
    expect(code).toBe(69);
  });
});

it.each(['', '[[alert]]\nsink = "journald"\n'])(
  'run refuses a configuration with nothing to do (%j)',
  async (sinks) => {
    writeFileSync(config, `[trace]\nenabled = false\n[pressure]\nenabled = false\n${sinks}`);
    for (const words of [
      ['run', '--config', config],
      ['config', 'check', config],
    ]) {
      const { code, stderr } = await oomscope(words);
      expect(stderr).toContain(
        `${config}:2: trace.enabled: there is nothing to do: [trace] and [pressure] are off, and there is no [guard].`,
      );
      expect(code).toBe(2);
    }
  },
);
