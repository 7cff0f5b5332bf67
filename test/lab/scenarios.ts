/** The scenarios of the kernel lab. Each makes its own cgroups; run.ts removes those that remain. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kernelVersion } from '../../src/linux/capabilities.ts';
import type { Event, OomKill } from '../../src/model/events.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import type { ProcessKilled } from '../../src/model/process-killed.ts';
import {
  createMemoryGroup,
  type Hog,
  killBeneathLimit,
  killByAnother,
  MIB,
  markDying,
  oomKill,
  oomStorm,
  startHog,
} from '../kernel/memcg.ts';
import { Recorder } from '../kernel/recorder.ts';
import { type Lab, onlyGuest, onlyNuma, type Scenario } from './scenario.ts';

const LIMIT = 24 * MIB;
const limited = { limitBytes: LIMIT };

/** Sets a sysctl while `body` runs. */
async function withSysctl(name: string, value: string, body: () => Promise<void>): Promise<void> {
  const path = join('/proc/sys', name);
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, value);
  try {
    await body();
  } finally {
    writeFileSync(path, before);
  }
}

async function holding(hogs: Hog[], body: () => Promise<void>): Promise<void> {
  await Promise.all(hogs.map(({ ready }) => ready));
  try {
    await body();
  } finally {
    for (const hog of hogs) hog.kill('SIGTERM');
    await Promise.all(hogs.map(({ ended }) => ended));
  }
}

/** Starts a hog outside any limited cgroup that takes all memory. Only possible in a guest. */
const taker = (args: string[] = []) =>
  startHog(undefined, ['--max', '64G', '--adj', '500', '--comm', 'taker', ...args]);

async function systemKill(lab: Lab, args: string[] = []): Promise<OomKill | undefined> {
  const hog = taker(args);
  await hog.ended;
  const [kill] = await lab.kills(1);
  lab.same('victim', kill?.victim.pid, hog.pid);
  lab.same('kind', kill?.kind, 'killed');
  return kill;
}

export const scenarios: Scenario[] = [
  {
    name: 'cgroup',
    about: 'a cgroup reaches its limit',
    async run(lab) {
      const { pid, group } = await oomKill({ ...limited, args: ['--shm', '2M', '--adj', '100'] });
      lab.watch(group);
      const [kill] = await lab.kills(1);
      lab.same('victim', kill?.victim.pid, pid);
      lab.same('kind', kill?.kind, 'killed');
      lab.same('scope', kill?.scope, 'cgroup');
      lab.same('limit', kill?.limit?.path, group.cgroupPath);
      lab.same('limit in bytes', kill?.limit?.limit_bytes, LIMIT);
      lab.same('inferred', kill?.limit_inferred, false);
      lab.same('cgroup version', kill?.cgroup_version, lab.cgroupVersion);
      lab.same('exe', kill?.victim.exe?.endsWith('/build/hog'), true);
      // The arguments are in the victim's memory. A program that may not sleep can read it only while the page is
      // mapped (mm/maccess.c: copy_from_user_nofault), and NUMA balancing and compaction unmap pages for a moment.
      // Then /proc/PID must be read before the victim has exited, which may fail in a guest.
      const readInTime = !kill?.missing.includes('victim.cmdline');
      lab.same('missing', kill?.missing, readInTime ? [] : ['victim.cmdline']);
      if (readInTime) lab.same('program', kill?.victim.cmdline?.[0]?.endsWith('/hog'), true);
      const reaped = await lab.recorder.reaped(pid);
      lab.same('outcome', reaped.outcome, 'exited');
      lab.same('memory back', reaped.mark_to_memory_back_ns !== null, true);
    },
  },
  {
    name: 'ancestor',
    about: 'the limit of a parent is reached',
    async run(lab) {
      const { limited: parent, group, victim } = await killBeneathLimit(limited);
      lab.watch(parent);
      lab.watch(group);
      const [kill] = await lab.kills(1);
      lab.same('victim', kill?.victim.pid, victim.pid);
      lab.same('victim cgroup', kill?.victim.cgroup, group.cgroupPath);
      lab.same('limit', kill?.limit?.path, parent.cgroupPath);
    },
  },
  {
    name: 'trigger',
    about: 'one process requests memory, and the kernel kills another',
    async run(lab) {
      const { victim, trigger, group } = await killByAnother({ ...limited, triggerArgs: ['--comm', 'asker'] });
      lab.watch(group);
      const [kill] = await lab.kills(1);
      lab.same('victim', kill?.victim.pid, victim.pid);
      lab.same('trigger', kill?.trigger.pid, trigger.pid);
      lab.same('trigger comm', kill?.trigger.comm, 'asker');
    },
  },
  {
    name: 'thread',
    about: 'the leader has exited, and the kernel marks another thread as the victim',
    async run(lab) {
      const { pid, group } = await oomKill({ ...limited, args: ['--threads', '3', '--leader-exits'] });
      lab.watch(group);
      const [kill] = await lab.kills(1);
      lab.same('victim', kill?.victim.pid, pid);
      lab.same('another thread', kill?.victim.tid !== pid, true);
    },
  },
  {
    name: 'oom.group',
    about: 'memory.oom.group kills five processes',
    notHere: ({ cgroupVersion }) => (cgroupVersion === 1 ? 'cgroup v1 has no memory.oom.group' : undefined),
    async run(lab) {
      const group = createMemoryGroup(limited);
      lab.watch(group);
      await using reporter = await Recorder.open({ report: true, allKills: true }, true);
      writeFileSync(join(group.path, 'memory.oom.group'), '1');
      const holders = Array.from({ length: 4 }, () => startHog(group, ['--hold', '1M']));
      await Promise.all(holders.map(({ ready }) => ready));
      const hog = startHog(group);
      const all = [hog, ...holders];
      await Promise.all(all.map(({ ended }) => ended));
      const kills = await lab.kills(5);
      const pids = (kills: OomKill[]) => kills.map(({ victim }) => victim.pid).sort();
      lab.same('victims', pids(kills), all.map(({ pid }) => pid).sort());
      lab.same('chosen', pids(kills.filter(({ kind }) => kind === 'killed')), [hog.pid]);
      lab.same('swept along', kills.filter(({ kind }) => kind === 'group_member').length, 4);
      lab.same('oom_group', kills[0]?.limit?.oom_group, true);
      // They exit all at once: by 7.2 a BPF program that is preempted during one exit is skipped for the others.
      for (const { pid } of all) {
        const end = await reporter.find(
          (event): event is ProcessKilled => event.type === 'process.killed' && event.victim.pid === pid,
        );
        lab.same('author', end.by.kind, 'oom_killer');
      }
      // Before 5.19 a record comes only of a line that reaches the console, and there the line about the group does not.
      const [major, minor] = kernelVersion();
      if (major < 5 || (major === 5 && minor < 19)) return;
      const isReport = (event: Event): event is OomReport => event.type === 'oom.report';
      await reporter.find(isReport);
      await sleep(1000); // longer than a report waits for its kill, so that a second one would be here
      const { id } = await reporter.kill(hog.pid);
      const reports = reporter.events.filter(isReport).map((report) => ({
        ...{ victim: report.victim?.pid, kill: report.kill_id, warnings: report.warnings },
        group: report.group.map(({ pid }) => pid).sort(),
      }));
      lab.same('reports', reports, [
        { victim: hog.pid, kill: id, warnings: [], group: holders.map(({ pid }) => pid).sort() },
      ]);
    },
  },
  {
    name: 'shared',
    about: 'a second process shares the memory of the victim',
    async run(lab) {
      const { group } = await oomKill({ ...limited, args: ['--share'] });
      lab.watch(group);
      const kills = await lab.kills(2);
      lab.same('kinds', kills.map(({ kind }) => kind).sort(), ['killed', 'shared_memory']);
      lab.same('names', kills.map(({ victim }) => victim.comm).sort(), ['hog', 'hog-share']);
    },
  },
  {
    name: 'dying',
    about: 'an exiting process is marked as the victim, not killed',
    async run(lab) {
      const { group } = await markDying(limited);
      lab.watch(group);
      const [mark] = await lab.kills(1);
      lab.same('kind', mark?.kind, 'already_dying');
      lab.same('name', mark?.victim.comm, 'hog-dying');
      lab.same('no SIGKILL', mark?.signal_to_mark_ns, null);
    },
  },
  {
    name: 'storm',
    about: '50 kills, 4 at a time',
    async run(lab) {
      const ends = await oomStorm(50, { limitBytes: 8 * MIB, parallel: 4 });
      for (const { group } of ends) lab.watch(group);
      const kills = await lab.kills(50);
      lab.same('victims', kills.map(({ victim }) => victim.pid).sort(), ends.map(({ pid }) => pid).sort());
      lab.same('kinds', [...new Set(kills.map(({ kind }) => kind))], ['killed']);
      lab.same('nothing lost', lab.recorder.events.filter(({ type }) => type === 'tracer.lost').length, 0);
    },
  },
  {
    name: 'page cache',
    about: 'a cgroup full of page cache, and no kill',
    async run(lab) {
      const group = createMemoryGroup({ limitBytes: 16 * MIB });
      lab.watch(group);
      const directory = mkdtempSync('/var/tmp/oomscope-');
      // At most 4 MiB are dirty at a time, because too many dirty pages would make the writes fail.
      const file = 'dd if=/dev/zero of="$1/$i" bs=256k count=16 conv=fsync || exit';
      const write = `echo $$ >"$0/cgroup.procs" && for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ${file}; done`;
      const child = spawn('sh', ['-c', write, group.path, directory], { stdio: 'ignore' });
      const code = await new Promise((resolve) => child.once('close', resolve));
      lab.same('dd', code, 0);
      lab.same('the limit was felt', group.usage() > 4 * MIB, true);
      rmSync(directory, { recursive: true });
      lab.same('kills', (await lab.kills(0)).length, 0);
    },
  },
  {
    name: 'swap',
    about: 'the victim has memory in swap',
    notHere: (here) => onlyGuest(here) ?? (here.swap ? undefined : 'needs swap'),
    async run(lab) {
      const { pid, group } = await oomKill({
        group: createMemoryGroup({ ...limited, swap: true }),
        args: ['--max', '1G'],
      });
      lab.watch(group);
      const [kill] = await lab.kills(1);
      lab.same('victim', kill?.victim.pid, pid);
      lab.same('in swap', (kill?.victim.memory?.swap_bytes ?? 0) > 8 * MIB, true);
      const counted = lab.cgroupVersion === 2 ? kill?.limit?.swap_bytes : kill?.limit?.memory_and_swap_bytes;
      lab.same('counted', (counted ?? 0) > 8 * MIB, true);
    },
  },
  {
    name: 'system',
    about: 'the whole system runs out of memory, with 50 processes to choose from',
    notHere: onlyGuest,
    async run(lab) {
      // These sizes and values of oom_score_adj give each process a different rank.
      const args = (i: number) => ['--hold', `${1 + (i % 10)}M`, '--adj', String(i * 4), '--comm', `holder-${i}`];
      const holders = Array.from({ length: 50 }, (_, i) => startHog(undefined, args(i)));
      await holding(holders, async () => {
        const kill = await systemKill(lab);
        lab.same('scope', kill?.scope, 'system');
        lab.same('limit', kill?.limit, null);
        lab.same('candidates', kill?.candidates?.length, 10);
        lab.same('first candidate', kill?.candidates?.[0]?.pid, kill?.victim.pid);
        lab.same('considered', (kill?.candidates_considered ?? 0) > 50, true);
        const drift = (kill?.candidates?.[0]?.badness_pages ?? 0) - (kill?.badness_pages ?? 0);
        lab.same('badness', Math.abs(drift) < 256, true); // the hog was still allocating when it was chosen
      });
    },
  },
  {
    name: 'allocating task',
    about: 'vm.oom_kill_allocating_task=1',
    notHere: onlyGuest,
    async run(lab) {
      await withSysctl('vm/oom_kill_allocating_task', '1', async () => {
        const kill = await systemKill(lab);
        lab.same('scope', kill?.scope, 'system');
        // The kernel kills the allocating process, unless that process is exempt: then the kernel chooses as usual.
        const asker = kill?.trigger.pid ?? 0;
        const exempt = asker !== kill?.victim.pid && readFileSync(`/proc/${asker}/oom_score_adj`, 'utf8') === '-1000\n';
        if (!exempt) lab.same('trigger', asker, kill?.victim.pid);
      });
    },
  },
  {
    name: 'cpuset',
    about: 'the nodes of a cpuset are full',
    notHere: onlyNuma,
    async run(lab) {
      const root = lab.cgroupVersion === 1 ? '/sys/fs/cgroup/cpuset' : '/sys/fs/cgroup';
      const path = join(root, 'oomscope-cpuset');
      mkdirSync(path);
      try {
        writeFileSync(join(path, 'cpuset.cpus'), '0');
        writeFileSync(join(path, 'cpuset.mems'), '1');
        const kill = await systemKill(lab, ['--cgroup', path]);
        lab.same('scope', kill?.scope, 'cpuset');
        lab.same('nodes', kill?.trigger.mems_allowed, '1');
      } finally {
        rmdirSync(path);
      }
    },
  },
  {
    name: 'mempolicy',
    about: 'the node of a memory policy is full',
    notHere: onlyNuma,
    async run(lab) {
      const kill = await systemKill(lab, ['--membind', '1']);
      lab.same('scope', kill?.scope, 'mempolicy');
      lab.same('nodes', kill?.nodemask, '1');
    },
  },
  {
    name: 'SysRq-f',
    about: 'a user asks for a kill by SysRq-f',
    notHere: onlyGuest,
    async run(lab) {
      const holder = startHog(undefined, ['--hold', '64M', '--adj', '900']);
      await holding([holder], async () => {
        writeFileSync('/proc/sysrq-trigger', 'f');
        await holder.ended;
        const [kill] = await lab.kills(1);
        lab.same('victim', kill?.victim.pid, holder.pid);
        lab.same('order', kill?.trigger.order, -1);
        lab.same('trigger', kill?.trigger.comm.startsWith('kworker'), true);
      });
    },
  },
  {
    name: 'panic_on_oom',
    about: 'panic_on_oom=1 does not apply to a cgroup’s limit, and oomscope does not change it',
    notHere: onlyGuest,
    async run(lab) {
      await withSysctl('vm/panic_on_oom', '1', async () => {
        const { pid, group } = await oomKill(limited);
        lab.watch(group);
        const [kill] = await lab.kills(1);
        lab.same('victim', kill?.victim.pid, pid);
        lab.same('the setting', readFileSync('/proc/sys/vm/panic_on_oom', 'utf8').trim(), '1');
      });
    },
  },
];
