/**
 * Makes the kernel write reports of out-of-memory kills, one scene after the other. A line in the kernel log marks the
 * beginning and the end of each scene; scripts/lab/oom-logs.ts collects the lines between.
 *
 *   node test/lab/oom-scenes.ts NAME…
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import {
  createMemoryGroup,
  killBeneathLimit,
  MIB,
  oomKill,
  oomStorm,
  removeMemoryGroups,
  startHog,
} from '../kernel/memcg.ts';

const guest = existsSync('/lab/settings');
/** Outside a guest: a path that reveals nothing about the machine. */
const root = memoryHierarchy()?.version === 1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup';
const limitBytes = 24 * MIB;
const grouped = (name: string) => createMemoryGroup({ name, limitBytes, parent: root });
const taker = (...args: string[]) => startHog(undefined, ['--max', '64G', '--adj', '500', '--comm', 'taker', ...args]);

async function withHolders(body: () => Promise<unknown>): Promise<void> {
  const shape = (i: number) => ['--hold', `${1 + i * 3}M`, '--adj', String(i * 20), '--comm', `holder-${i}`];
  const holders = Array.from({ length: 8 }, (_, i) => startHog(undefined, shape(i)));
  await Promise.all(holders.map(({ ready }) => ready));
  await body();
  for (const holder of holders) holder.kill('SIGTERM');
  await Promise.all(holders.map(({ ended }) => ended));
}

/** @param patienceMs timeout, because a process that cannot get memory and must not be killed retries for ever */
function shell(script: string, path = '', patienceMs = 60_000): Promise<unknown> {
  const child = spawn('sh', ['-c', script, path], { stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  return new Promise((resolve) => child.once('close', resolve)).then(() => clearTimeout(timer));
}

const scenes: Record<string, () => Promise<unknown>> = {
  async memcg() {
    const group = grouped('shop');
    const worker = startHog(group, ['--hold', '6M', '--comm', 'worker', '--adj', '200']);
    await worker.ready;
    await startHog(group, ['--shm', '2M', '--file', '1M', '--comm', 'cache-builder', '--adj', '100', '--threads', '2'])
      .ended;
    worker.kill('SIGTERM');
    await worker.ended;
  },
  ancestor: () => killBeneathLimit({ group: grouped('pod') }),
  async trigger() {
    const group = grouped('busy');
    const sleeper = startHog(group, ['--hold', '18M', '--comm', 'sleeper']);
    await sleeper.ready;
    await Promise.all([startHog(group, ['--max', '9M', '--comm', 'asker']).ended, sleeper.ended]);
  },
  hostile: () =>
    oomKill({ group: grouped('names'), args: ['--comm', '\\x0a) total-vm:1'] }).then(() =>
      oomKill({ group: grouped('names2'), args: ['--comm', '<b>\\x1b[2J\\xff(a)'] }),
    ),
  storm: () => oomStorm(30, { group: grouped('storm') }),
  order: () => startHog(grouped('pipes'), ['--pipes', '4000', '--comm', 'pipe-maker']).ended,
  async group() {
    const group = grouped('together');
    writeFileSync(join(group.path, 'memory.oom.group'), '1');
    const holders = Array.from({ length: 3 }, (_, i) => startHog(group, ['--hold', '1M', '--comm', `member-${i}`]));
    await Promise.all(holders.map(({ ready }) => ready));
    await Promise.all([startHog(group).ended, ...holders.map(({ ended }) => ended)]);
  },
  async tmpfs() {
    const enter = 'echo 0 >/proc/self/oom_score_adj; echo $$ >"$0/cgroup.procs"';
    await shell(`${enter}; exec dd if=/dev/zero of=/tmp/full bs=1M count=64`, grouped('files').path);
    await shell('rm -f /tmp/full');
  },
  async 'no killable'() {
    const enter = 'echo -1000 >/proc/self/oom_score_adj; echo $$ >"$0/cgroup.procs"';
    await shell(`${enter}; exec dd if=/dev/zero of=/tmp/full bs=1M count=64`, grouped('spared').path, 1500);
    await shell('rm -f /tmp/full');
  },
  global: () => withHolders(() => taker().ended),
  'global order': () => withHolders(() => taker('--pipes', '200000').ended),
  async 'global tmpfs'() {
    // A tmpfs takes at most half of the memory; another process asks for the rest.
    await shell('exec dd if=/dev/zero of=/dev/shm/full bs=1M count=320');
    await taker().ended;
    await shell('rm -f /dev/shm/full');
  },
  async 'allocating task'() {
    writeFileSync('/proc/sys/vm/oom_kill_allocating_task', '1');
    await withHolders(() => taker().ended);
    writeFileSync('/proc/sys/vm/oom_kill_allocating_task', '0');
  },
  async cpuset() {
    const path = join(existsSync('/sys/fs/cgroup/cpuset') ? '/sys/fs/cgroup/cpuset' : '/sys/fs/cgroup', 'narrow');
    mkdirSync(path);
    writeFileSync(join(path, 'cpuset.cpus'), '0');
    writeFileSync(join(path, 'cpuset.mems'), '1');
    await withHolders(() => taker('--cgroup', path).ended);
    rmdirSync(path);
  },
  mempolicy: () => withHolders(() => taker('--membind', '1').ended),
  async sysrq() {
    const holder = startHog(undefined, ['--hold', '64M', '--adj', '900', '--comm', 'sacrifice']);
    await holder.ready;
    writeFileSync('/proc/sysrq-trigger', 'f');
    await holder.ended;
  },
  async panic() {
    writeFileSync('/proc/sys/vm/panic_on_oom', '2');
    await oomKill({ group: grouped('last') });
  },
};

if (guest) writeFileSync('/proc/self/oom_score_adj', '-1000'); // the kernel must not choose this process
const say = (text: string) => writeFileSync('/dev/kmsg', `<6>scene: ${text}\n`);
for (const name of process.argv.slice(2)) {
  const scene = scenes[name];
  if (!scene) throw new Error(`expected one of ${Object.keys(scenes).join(', ')}, got "${name}"`);
  say(`begin ${name}`);
  await scene();
  await sleep(500); // the line of the OOM reaper comes last
  say(`end ${name}`);
  removeMemoryGroups();
  await sleep(5500); // the kernel prints at most ten reports in 5 s
}
