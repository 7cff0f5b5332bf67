/** Checks memory cgroups. Finds cgroups without a limit, near their limit, with OOM kills, or with hanging tasks. */
import { containerCgroup, ownerOf } from '../containers/container-path.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { readIfPresent } from '../linux/read-if-present.ts';
import { formatBytes } from '../text/format.ts';
import { type Finding, findingsOf, type Read } from './finding.ts';
import { killed } from './kills.ts';
import { hanging, unkillable } from './stuck.ts';

const { info, warning } = findingsOf('cgroups');

/** At most this many cgroups are checked. */
const MOST = 4096;

interface Group {
  path: string;
  usageBytes: number;
  /** Usage without the file pages that the kernel can reclaim at once. */
  usedBytes: number;
  /** The cgroup's own limit. null: it has none. */
  limitBytes: number | null;
  /** True when the cgroup or one of its ancestors has a limit. */
  limited: boolean;
  /** OOM kills since the cgroup was created. */
  kills: number;
}

export function groups(cgroupfs = Cgroupfs.find(), read: Read = readIfPresent): Finding[] {
  if (!cgroupfs) return [];
  const all = cgroupfs.paths(MOST).flatMap((path) => readGroup(cgroupfs, path) ?? []);
  const limited = all.filter(({ limitBytes }) => limitBytes !== null);
  return [
    info('groups', `${all.length} on cgroup v${cgroupfs.version}, ${limited.length} with a limit of their own`),
    ...unlimited(all),
    ...nearLimit(limited),
    ...killed(all, read),
    ...hanging(
      cgroupfs,
      all.map(({ path }) => path),
    ),
    ...unkillable(
      cgroupfs,
      limited.filter(isNearLimit).map(({ path }) => path),
    ),
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
        'A container that leaks can use up the memory of the whole machine, and the kernel then kills the largest process.',
        'docker update --memory … --memory-swap … ID, or resources.limits.memory',
      ),
    );
  if (services.length > 0)
    findings.push(
      info(
        'services',
        `${services.length} without any memory limit: ${largest(services)}`,
        'MemoryMax= confines a leak to one service; MemoryHigh= slows the service down first.',
      ),
    );
  return findings;
}

/** True for the cgroup of a container, false for the cgroups below it. */
function isContainer(path: string): boolean {
  const { container } = ownerOf(path);
  return container !== null && containerCgroup(path, container.id) === path;
}

const isNearLimit = ({ usedBytes, limitBytes }: Group) =>
  limitBytes !== null && limitBytes > 0 && usedBytes > limitBytes * 0.9;

function nearLimit(limited: Group[]): Finding[] {
  return limited
    .filter(isNearLimit)
    .map(({ path, usedBytes, limitBytes }) =>
      warning(
        path,
        `${formatBytes(usedBytes)} of ${formatBytes(limitBytes as number)}, not counting cache that can be reclaimed at once`,
        'At the limit the kernel kills a process in this cgroup when it cannot reclaim more memory.',
        'raise the limit, or run less in the cgroup',
      ),
    );
}

function largest(groups: Group[]): string {
  const sorted = groups.sort((a, b) => b.usageBytes - a.usageBytes);
  const named = sorted.slice(0, 3).map(({ path, usageBytes }) => `${shortened(path)} (${formatBytes(usageBytes)})`);
  return sorted.length > 3 ? `${named.join(', ')} and ${sorted.length - 3} more` : named.join(', ');
}

/** The last part of the path. A container id in it is cut to the twelve digits that `docker ps` shows. */
function shortened(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/([0-9a-f]{12})[0-9a-f]{52}/, '$1');
}
