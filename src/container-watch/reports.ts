/**
 * Reports all containers of a machine with their memory: containers that a runtime knows, and containers that are only
 * visible in the cgroup tree.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { containerCgroup, ownerOf } from '../containers/container-path.ts';
import type { ContainerInfo, ContainerRuntimeApi } from '../containers/container-runtime.ts';
import { creatorOf } from '../containers/other-user.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { readMeminfo } from '../linux/meminfo.ts';
import { memoryHierarchy } from '../linux/memory-hierarchy.ts';
import { readProcess } from '../linux/process-reader.ts';
import type { ContainerReport } from '../model/container-report.ts';
import { GrowthWindow, growthOf } from '../series/growth.ts';
import { readContainerMemory } from './memory.ts';
import { containerRemarks } from './remarks.ts';

/** A container and its cgroup. The cgroup is null when the container does not run. */
export interface Subject {
  info: ContainerInfo | undefined;
  report: Omit<ContainerReport, 'memory' | 'remarks'>;
  cgroup: string | null;
}

/** Finds the containers and sorts them by name. Containers without a name come last. */
export async function findContainers(
  runtimes: readonly ContainerRuntimeApi[],
  cgroups: Cgroupfs | undefined,
): Promise<Subject[]> {
  const told = await Promise.all(runtimes.map(async (runtime) => ({ runtime, found: await ofRuntime(runtime) })));
  const own = told.filter(({ runtime }) => runtime.user === null).flatMap(({ found }) => found);
  const known = new Set(own.map(({ report }) => report.container?.id));
  const others = told.flatMap(({ runtime: { user }, found }) =>
    user === null ? [] : found.filter((subject) => isTrue(subject, user) && !known.has(subject.report.container?.id)),
  );
  const subjects = [...own, ...others];
  for (const { report } of others) known.add(report.container?.id);
  for (const path of cgroups?.paths() ?? []) {
    const owner = ownerOf(path);
    if (owner.container === null || known.has(owner.container.id)) continue;
    known.add(owner.container.id); // parents come before children, so the first cgroup with this container's id is its own
    subjects.push({ info: undefined, report: { ...unknown, ...owner }, cgroup: path });
  }
  const key = ({ report: { container } }: Subject) => container?.name ?? `\uffff${container?.id}`;
  return subjects.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

const SAMPLES = 10;

/** @param sampleMs the time over which growth is measured; 0: growth is not measured */
export async function reportOn(
  subjects: readonly Subject[],
  cgroups: Cgroupfs | undefined,
  sampleMs: number,
): Promise<ContainerReport[]> {
  const windows = subjects.map(() => new GrowthWindow(SAMPLES));
  for (let i = 0; sampleMs > 0 && i < SAMPLES; i++) {
    if (i > 0) await sleep(sampleMs / (SAMPLES - 1));
    for (const [at, { cgroup }] of subjects.entries()) {
      using group = cgroup === null ? undefined : cgroups?.open(cgroup);
      const usage = group?.usage();
      if (usage !== undefined) windows[at]?.add(performance.now() / 1000, usage);
    }
  }
  const swapTotal = readMeminfo()?.swapTotalBytes ?? 0;
  return subjects.map(({ report, cgroup }, at) => {
    const left = cgroup === null ? null : (cgroups?.effectiveLimit(cgroup)?.leftBytes ?? null);
    const growth = growthOf(windows[at]?.slope(), left);
    const memory = cgroup === null || !cgroups ? undefined : readContainerMemory(cgroups, cgroup, growth);
    const all = { ...report, memory: memory ?? null };
    return { ...all, remarks: containerRemarks(all, swapTotal) };
  });
}

/**
 * Whether another user's runtime can be right about a container: the container does not run, or the user can have
 * created its cgroup.
 */
function isTrue({ cgroup, info }: Subject, user: number): boolean {
  if (cgroup === null) return info?.pid === null;
  return containerCgroup(cgroup, info?.id ?? '') !== null && creatorOf(cgroup, memoryHierarchy()?.mount) === user;
}

async function ofRuntime(runtime: ContainerRuntimeApi): Promise<Subject[]> {
  const listed = await runtime.list().catch((error) => (runtime.user === null ? Promise.reject(error) : []));
  // A container may be removed between list() and inspect().
  const found = await Promise.all(listed.map(({ id }) => runtime.inspect(id).catch(() => undefined)));
  return found.filter((info) => info !== undefined).map((info) => ofInfo(info));
}

function ofInfo(info: ContainerInfo): Subject {
  const path = info.pid === null ? undefined : cgroupOfProcess(info.pid);
  const cgroup = path === undefined ? null : (containerCgroup(path, info.id) ?? path);
  const { runtime, id, name, image, compose_project, compose_service } = info;
  const owner = ownerOf(cgroup);
  return {
    info,
    cgroup,
    report: {
      ...{ unit: owner.unit, pod: owner.pod },
      container: { runtime, id, name, image, compose_project, compose_service },
      ...{ state: info.state, pid: info.pid, exit_code: info.exit_code, oom_killed: info.oom_killed },
      ...{ started_at: info.started_at, finished_at: info.finished_at },
      ...{ restart_count: info.restart_count, restart_policy: info.restart_policy, configured: info.configured },
    },
  };
}

const unknown = {
  ...{ state: null, pid: null, exit_code: null, oom_killed: null, started_at: null, finished_at: null },
  ...{ restart_count: null, restart_policy: null, configured: null },
};

const cgroupOfProcess = (pid: number): string | undefined => readProcess(pid, ['cgroup'])?.cgroup ?? undefined;
