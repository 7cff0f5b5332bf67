/** Runs `oomscope protect` as a user does, on processes that the test has started. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { adjOf, Sleepers, setAdj } from '../protect/sleepers.ts';
import { MAIN, oomscope } from './cli.ts';

const protect = (...args: string[]) => oomscope(['protect', ...args]);
const asText = '--text';

test('plan shows, apply sets, list shows and undo restores the oom_score_adj of processes', async () => {
  await using sleepers = new Sleepers('we\n\x1b[31mird');
  const pid = await sleepers.start();
  const profiles = ['--profiles', sleepers.profiles(250)];
  const state = ['--state-file', sleepers.state];
  const planned = await protect('plan', 'ours', ...profiles);
  expect(planned).toMatchObject({ code: 0, stderr: '' });
  expect(planned.stdout).toContain('0 → 250');
  expect(planned.stdout).not.toContain('\x1b');
  expect(existsSync(sleepers.state)).toBe(false);
  const json = JSON.parse((await protect('plan', 'ours', ...profiles, '--json')).stdout);
  expect(json.entries).toMatchObject([{ pid, before: 0, after: 250, action: 'change', matched_by: 'exe' }]);

  const applied = await protect('apply', 'ours', ...profiles, ...state, asText);
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect(adjOf(pid)).toBe(250);
  const { applied: listed } = JSON.parse((await protect('list', ...state, '--json')).stdout);
  expect(listed).toMatchObject([{ pid, before: 0, after: 250, now: 250, profile: 'ours' }]);
  const undone = await protect('undo', ...state, asText);
  expect(undone).toMatchObject({ code: 0, stderr: '' });
  expect(undone.stdout).toMatch(/^restored .*: 250 → 0\n$/);
  expect(adjOf(pid)).toBe(0);
  expect(await protect('undo', ...state)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('nothing to undo'),
  });
});

test('undo restores every value after apply was killed half-way', async () => {
  await using sleepers = new Sleepers();
  const pids: number[] = [];
  for (let i = 0; i < 300; i++) pids.push(await sleepers.start());
  setAdj(pids.at(-1) as number, 50);
  const before = pids.map(adjOf);
  const args = [
    'protect',
    'apply',
    'ours',
    '--profiles',
    sleepers.profiles(250),
    '--state-file',
    sleepers.state,
    '--json',
  ];
  // If this process got the CPU too late, `apply` was already complete. Then the test tries again.
  for (let changed = 300, attempt = 0; changed === 300; attempt++) {
    expect(attempt).toBeLessThan(10);
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'ignore' });
    while (adjOf(pids[0] as number) === 0);
    child.kill('SIGKILL');
    await once(child, 'exit');
    changed = pids.filter((pid) => adjOf(pid) === 250).length;
    expect(changed).toBeGreaterThan(0);
    const undone = await protect('undo', '--state-file', sleepers.state, '--json');
    const outcomes = undone.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).outcome);
    expect(outcomes.filter((outcome) => outcome === 'restored')).toHaveLength(changed);
    expect(outcomes.filter((outcome) => outcome === 'untouched')).toHaveLength(300 - changed);
    expect(pids.map(adjOf)).toEqual(before);
  }
});

test('undo restores the values that children inherited', async () => {
  await using sleepers = new Sleepers('shell', '/bin/sh');
  const shell = spawn(sleepers.exe, ['-c', 'read go; sleep 600 & echo $!; read end; kill $!'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  try {
    const state = ['--state-file', sleepers.state];
    expect(await protect('apply', 'ours', '--profiles', sleepers.profiles(200), ...state)).toMatchObject({ code: 0 });
    shell.stdin.write('go\n');
    const [line] = await once(shell.stdout, 'data');
    const child = Number(line);
    expect(adjOf(child)).toBe(200);
    const { stdout } = await protect('undo', ...state, asText);
    expect(stdout).toContain(`(pid ${child}): 200 → 0; the process had inherited the value`);
    expect([adjOf(shell.pid as number), adjOf(child)]).toEqual([0, 0]);
  } finally {
    shell.stdin.end('end\n');
    await once(shell, 'exit');
  }
});

test.each([
  [['frobnicate'], 'got "frobnicate". There are plan, apply, undo, list.'],
  [['plan', 'databse'], 'There is no profile "databse". Did you mean "database"?'],
  [['apply', '--systemd-dir', '/x'], 'expected --install with it'],
])('protect %j: exit code 2', async (args, message) => {
  const { code, stdout, stderr } = await protect(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
});

test('reports a profile that matches no process, and changes nothing', async () => {
  await using sleepers = new Sleepers();
  const state = ['--state-file', sleepers.state];
  const { code, stdout } = await protect('apply', 'ours', '--profiles', sleepers.profiles(250), ...state, asText);
  expect(code).toBe(1);
  expect(stdout).toContain('ours: matches no running process');
  const init = join(sleepers.directory, 'init.toml');
  const name = JSON.stringify(readFileSync('/proc/1/comm', 'utf8').trimEnd());
  writeFileSync(init, `[[profile]]\nname = "ours"\noom_score_adj = 250\ncomm = ${name}\n`);
  const before = adjOf(1);
  expect((await protect('plan', 'ours', '--profiles', init)).stdout).toContain('init, which the kernel never kills');
  expect(adjOf(1)).toBe(before);
  expect(existsSync(sleepers.state)).toBe(false);
});

test('changes nothing when the undo file cannot be written', async () => {
  await using sleepers = new Sleepers();
  const pid = await sleepers.start();
  const state = ['--state-file', '/nonexistent/undo.jsonl'];
  const { code, stderr } = await protect('apply', 'ours', '--profiles', sleepers.profiles(250), ...state);
  expect(code).toBe(1);
  expect(stderr).toContain(
    'Cannot open or write the undo file /nonexistent/undo.jsonl: ENOENT. Choose another file with --state-file',
  );
  expect(adjOf(pid)).toBe(0);
});

test('prints drop-ins, installs them without replacing other files, and removes them by undo', async () => {
  await using sleepers = new Sleepers();
  const group = createMemoryGroup({ limitBytes: 32 * 2 ** 20, name: `osp-${process.pid}.service` });
  try {
    const pid = await sleepers.start();
    writeFileSync(join(group.path, 'cgroup.procs'), String(pid));
    const profiles = ['--profiles', sleepers.profiles(250, 'oom_policy = "continue"\n')];
    const systemd = join(sleepers.directory, 'systemd');
    const [state, directory] = [
      ['--state-file', sleepers.state],
      ['--systemd-dir', systemd],
    ];
    const path = join(systemd, `osp-${process.pid}.service.d`, '50-oomscope-protect.conf');
    const { stdout } = await protect('plan', 'ours', '--drop-ins', ...profiles, ...directory);
    expect(stdout).toMatch(/\[Service\]\nOOMScoreAdjust=250\nOOMPolicy=continue\n/);
    const install = () => protect('apply', 'ours', '--install', ...profiles, ...state, ...directory);

    const first = await install();
    expect(first.code).toBe(0);
    expect(first.stderr).toContain('systemctl daemon-reload');
    expect(stdout).toContain(readFileSync(path, 'utf8'));
    expect((await install()).stderr).toContain('already as it should be');
    expect(adjOf(pid)).toBe(250);
    expect((await protect('undo', ...state, asText)).stdout).toContain(`${path}: removed`);
    expect([existsSync(systemd) && existsSync(path), adjOf(pid)]).toEqual([false, 0]);

    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '# by hand\n');
    expect((await install()).stderr).toContain('not written, because another file has this name');
    await protect('undo', ...state);
    expect(readFileSync(path, 'utf8')).toBe('# by hand\n');
  } finally {
    group.remove();
  }
});

test.skipIf(process.geteuid?.() !== 0)("does not protect root's program that another user runs", async () => {
  await using sleepers = new Sleepers('postgres');
  chmodSync(sleepers.directory, 0o755);
  const hog = spawn(sleepers.exe, ['600'], { stdio: 'ignore', uid: 65534, gid: 65534 });
  await once(hog, 'spawn');
  try {
    const own = await sleepers.start();
    const { entries } = JSON.parse((await protect('plan', 'postgresql', '--json')).stdout) as {
      entries: { pid: number; after: number }[];
    };
    const after = (pid: number | undefined) => entries.find((entry) => entry.pid === pid)?.after;
    expect([after(own), after(hog.pid)]).toEqual([-900, undefined]);
  } finally {
    hog.kill('SIGKILL');
  }
});
