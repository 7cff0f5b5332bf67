/** The command in a cgroup that allows few tasks, as earlyoom's unit does (TasksMax=10). */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bpfUnavailable } from '../kernel/unavailable.ts';
import { ROOT } from './cli.ts';

const COMMAND = join(ROOT, 'scripts/oomscope.sh');
/** The directory in which a cgroup with the pids controller can be made; undefined: there is none. */
const parent = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].find((path) => existsSync(join(path, 'cgroup.procs')));
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
let made = 0;

/** Runs the command in a cgroup with this limit. Every process that it leaves there is a failure. */
function runWith(most: number, ...args: string[]) {
  const group = join(parent ?? '', `oomscope-tasks-${process.pid}-${++made}`);
  mkdirSync(group);
  try {
    writeFileSync(join(group, 'pids.max'), String(most));
    const enter = 'echo $$ >"$0/cgroup.procs" && exec "$@"';
    const options = { encoding: 'utf8', timeout: 20_000, killSignal: 'SIGKILL', env } as const;
    const { status, stdout, stderr } = spawnSync('sh', ['-c', enter, group, COMMAND, ...args], options);
    return { status, stdout, stderr, left: readFileSync(join(group, 'cgroup.procs'), 'utf8') };
  } finally {
    rmdirSync(group);
  }
}

const possible = parent !== undefined && process.geteuid?.() === 0;

describe.skipIf(!possible)('where few tasks are allowed, oomscope', () => {
  it('says what to do, when Node itself could not start', () => {
    for (const most of [1, 4]) {
      const { status, stderr } = runWith(most, '--version');
      expect(stderr).toMatch(
        new RegExp(`^oomscope: expected to be allowed at least 5 tasks, got ${most} \\(/sys/.*pids.max is ${most}\\):`),
      );
      expect(status).toBe(69);
    }
  });

  it('starts with fewer threads', () => {
    expect(runWith(5, '--version')).toMatchObject({ status: 0, stderr: '', left: '' });
    expect(runWith(10, 'guard', '--as-earlyoom', '--help').stderr).toContain('SIGTERM when at most');
  });

  it.skipIf(bpfUnavailable())('guards within 10 tasks, and arms', () => {
    const { status, stderr, left } = runWith(
      10,
      'guard',
      '--enforce',
      '--when',
      'available < 1K',
      '--duration',
      '300ms',
    );
    expect(stderr).toContain('can arm the likely victim');
    expect([status, left]).toEqual([0, '']);
  });

  it.skipIf(bpfUnavailable())('ends with a sentence when a thread of its own cannot start', () => {
    const { status, stderr, left } = runWith(
      5,
      'guard',
      '--enforce',
      '--when',
      'available < 1K',
      '--duration',
      '300ms',
    );
    expect(stderr).toContain('Too few tasks are allowed: raise the limit to 32');
    expect([status, left]).toEqual([69, '']);
  });
});

describe('the command', () => {
  it('runs through a symbolic link, as npm makes one, from any directory', () => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    symlinkSync(COMMAND, join(directory, 'oomscope'));
    expect(execFileSync('./oomscope', ['--version'], { cwd: directory, encoding: 'utf8', env })).toMatch(
      /^oomscope \d/,
    );
  });
});
