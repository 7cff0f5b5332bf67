/**
 * Memory cgroups: which have no limit at all, which are about to reach theirs, which have seen kills, and which hang.
 */
import { containerCgroup, ownerOf } from '../containers/container-path.ts';
import { readIfPresent } from '../linux/capabilities.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { formatBytes } from '../text/format.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, info, warning, critical } = findingsOf('cgroups');

/** More groups than this are not looked at. */
const MOST = 4096;

interface Group {
  path: string;
  usageBytes: number;
  /** Without file pages that can go at once. */
  usedBytes: number;
  limitBytes: number | null;
  limited: boolean;
  kills: number;
}

export function groups(cgroupfs = Cgroupfs.find()): Finding[] {
  if (!cgroupfs) return [];
  const all = cgroupfs.paths(MOST).flatMap((path) => readGroup(cgroupfs, path) ?? []);
  const limited = all.filter(({ limitBytes }) => limitBytes !== null);
  return [
    info('groups', `${all.length} on cgroup v${cgroupfs.version}, ${limited.length} with a limit of their own`),
    ...unlimited(all),
    ...nearLimit(limited),
    ...killed(all),
    ...hanging(cgroupfs, all),
  ];
}

function readGroup(cgroupfs: Cgroupfs, path: string): Group | undefined {
  using group = cgroupfs.open(path);
  const usageBytes = group?.usage();
  if (!group || usageBytes === undefined) return undefined;
  return {
    path,
    usageBytes,
    usedBytes: Math.max(0, usageBytes - (group.inactiveFile() ?? 0)),
    limitBytes: group.limit(),
    limited: cgroupfs.effectiveLimit(path) !== null,
    kills: group.counts().oomKills ?? 0,
  };
}

function unlimited(all: Group[]): Finding[] {
  const without = all.filter(({ limited }) => !limited);
  const containers = without.filter(({ path }) => isContainer(path));
  const services = without.filter(({ path }) => path.endsWith('.service') && !isContainer(path));
  const findings: Finding[] = [];
  if (containers.length > 0)
    findings.push(
      warning(
        'containers',
        `${containers.length} without any memory limit: ${largest(containers)}`,
        'One that leaks takes the whole machine with it, and the kernel then kills whatever is largest.',
        'docker update --memory … --memory-swap … ID, or resources.limits.memory',
      ),
    );
  if (services.length > 0)
    findings.push(
      info(
        'services',
        `${services.length} without any memory limit: ${largest(services)}`,
        'MemoryMax= keeps a leak within one service; MemoryHigh= slows it down first.',
      ),
    );
  return findings;
}

/** Its own group, not one below it. */
function isContainer(path: string): boolean {
  const { container } = ownerOf(path);
  return container !== null && containerCgroup(path, container.id) === path;
}

function nearLimit(limited: Group[]): Finding[] {
  return limited
    .filter(({ usedBytes, limitBytes }) => limitBytes !== null && limitBytes > 0 && usedBytes > limitBytes * 0.9)
    .map(({ path, usedBytes, limitBytes }) =>
      warning(
        path,
        `${formatBytes(usedBytes)} of ${formatBytes(limitBytes as number)}, without what can go at once`,
        'The kernel kills in this group when it cannot reclaim any more.',
        'a higher limit, or less work for it',
      ),
    );
}

function killed(all: Group[]): Finding[] {
  // On v2 a group counts the kills below it as well: name those nearest to the processes.
  const leaves = all.filter(
    ({ path, kills }) => kills > 0 && !all.some((other) => other.kills > 0 && other.path.startsWith(`${path}/`)),
  );
  if (leaves.length === 0) return [ok('OOM kills', 'none in the groups that are there now')];
  const list = leaves.sort((a, b) => b.kills - a.kills).slice(0, 5);
  const found = list.map(({ path, kills }) => `${path} (${kills})`).join(', ');
  return [
    warning('OOM kills', found, 'Counted since each group was made.', 'oomscope explain --kmsg tells their story'),
  ];
}

/** v1 only: memory.oom_control with oom_kill_disable lets the tasks wait instead. */
function hanging(cgroupfs: Cgroupfs, all: Group[]): Finding[] {
  if (cgroupfs.version === 2) return [];
  return all.flatMap(({ path }) => {
    const control = readIfPresent(`${cgroupfs.directory(path)}/memory.oom_control`);
    if (!control || !/^oom_kill_disable 1$/m.test(control)) return [];
    const now = /^under_oom 1$/m.test(control);
    return [
      (now ? critical : warning)(
        path,
        now ? 'its tasks are waiting for memory, for ever' : 'oom_kill_disable is 1',
        'At the limit nothing is killed: tasks hang until somebody raises the limit.',
        `echo 0 > ${cgroupfs.directory(path)}/memory.oom_control`,
      ),
    ];
  });
}

function largest(groups: Group[]): string {
  const sorted = groups.sort((a, b) => b.usageBytes - a.usageBytes);
  const named = sorted.slice(0, 3).map(({ path, usageBytes }) => `${shortened(path)} (${formatBytes(usageBytes)})`);
  return sorted.length > 3 ? `${named.join(', ')} and ${sorted.length - 3} more` : named.join(', ');
}

/** Its last part, an id cut to the twelve digits that docker ps shows. */
function shortened(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/([0-9a-f]{12})[0-9a-f]{52}/, '$1');
}
