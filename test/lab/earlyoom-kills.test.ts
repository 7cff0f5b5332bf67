/**
 * `guard --as-earlyoom` beside the real earlyoom 1.8.2, each in a pid namespace of its own: there they see, and can kill,
 * only the processes that the test has started. The thresholds are always reached.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { realEarlyoom } from '../../scripts/lab/earlyoom.ts';
import { ended, MAIN, ROOT } from '../cli/cli.ts';
import { createMemoryGroup, oomKillsUnavailable, removeMemoryGroups } from '../kernel/memcg.ts';

/** With "-m 99", free memory must be below 99 %: the largest process of a test holds 2 % of it. */
const BYTES = Math.ceil(totalmem() / 50);
const HOG = join(ROOT, 'build/hog');
const OURS = `${process.execPath} ${MAIN} guard --as-earlyoom`;

/** Commands for the namespace, in which `hog BYTES OPTIONS` starts a process and `killer OPTIONS` the early killer. */
const scenes: Readonly<Record<string, string>> = {
  'a process that SIGTERM ends, beside a smaller one': `
hog ${BYTES} --comm victim; hog ${BYTES >> 3} --comm small
killer -m 99,0 -s 100 --avoid '^sh$'
until grep -q exited log; do sleep 0.05; done
kill -9 $killer`,
  'a process that ignores SIGTERM: it is tried again': `
hog ${BYTES} --comm deaf --ignore-term; deaf=$!; hog ${BYTES >> 3} --comm small; small=$!
killer -m 99,0 -s 100
until [ $(grep -c 'to process' log) -ge 2 ]; do sleep 0.1; done
kill -9 $killer; kill -0 $deaf && kill -0 $small && echo 'both live'`,
  'SIGKILL at the lower thresholds': `
hog ${BYTES} --comm deaf --ignore-term
killer -m 99,99 -s 100,100
until grep -q exited log; do sleep 0.05; done
kill -9 $killer`,
  'a process whose main thread has exited, beside a smaller one': `
hog ${BYTES} --comm headless --threads 2 --leader-exits; hog ${BYTES >> 3} --comm small
killer -m 99,0 -s 100
until grep -q exited log; do sleep 0.05; done
kill -9 $killer`,
  'a whole process group with -g': `
setsid sh -c 'sleep 600 & echo $! >child; exec ${HOG} --cgroup '$GROUP' --hold ${BYTES} --max ${BYTES} --comm leader' >ready.g &
until grep -q ready ready.g; do sleep 0.05; done
killer -m 99,0 -s 100 -g --prefer '^leader$'
until grep -q exited log; do sleep 0.05; done
kill -9 $killer; sleep 0.2; kill -0 $(cat child) 2>/dev/null || echo 'the child is gone, too'`,
};

const script = (killer: string, scene: string) => `
hog() { size=$1; shift; n=$((n + 1)); ${HOG} --cgroup $GROUP --hold $size --max $size "$@" >ready.$n & hog=$!
  until grep -q ready ready.$n; do sleep 0.05; done; }
killer() { ${killer} -r 0 "$@" >log 2>&1 & killer=$!; }
sleep 600 & # has pid 2, which earlyoom takes for the kernel's
: >log
${scene}
cat log`;

/** The lines, in which what differs from run to run is replaced; without those of the start. */
async function inNamespace(killer: string, scene: string): Promise<string[]> {
  const group = createMemoryGroup({ limitBytes: 4 * BYTES });
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
  const child = spawn(
    'unshare',
    ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', script(killer, scene)],
    {
      cwd: directory,
      env: { PATH: process.env.PATH, GROUP: group.path },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const { stdout } = await ended(child);
  rmSync(directory, { recursive: true });
  const lines = stdout.split('\n').map((line) =>
    line
      .replace(/^mem avail: .*/, 'mem avail: …')
      .replace(/process (-?)\d+/, 'process $1PID')
      .replace(/group \d+/, 'group PGID')
      .replace(/oom_score \d+, VmRSS \d+ MiB/, 'oom_score #, VmRSS # MiB')
      .replace(/cmdline ".*"/, 'cmdline "…"')
      .replace(/^kill_release: pid=\d+: process_mrelease pidfd=\d+ .*/, 'kill_release: …')
      .replace(/after [\d.]+ seconds/, 'after # seconds'),
  );
  const from = lines.findIndex((line) => line.startsWith('        SIGKILL')) + 1;
  const to = lines.findIndex((line) => /exited|^kill failed/.test(line)) + 1;
  const lives = lines.filter((line) => /live|gone/.test(line));
  return [...lives, ...lines.slice(from, to)];
}

describe.skipIf(oomKillsUnavailable())('kills as earlyoom 1.8.2 does, and says so in its lines', () => {
  let real = '';
  beforeAll(async () => {
    real = await realEarlyoom('1.8.2');
  });
  afterEach(removeMemoryGroups);

  it.for(Object.entries(scenes))('%s', async ([, scene]) => {
    const [theirs, ours] = await Promise.all([inNamespace(real, scene), inNamespace(OURS, scene)]);
    expect(theirs.length).toBeGreaterThan(3);
    expect(ours).toEqual(theirs);
  });
});
