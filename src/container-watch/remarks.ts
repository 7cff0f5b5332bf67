/**
 * Explains a container's figures in sentences, the most severe first. The functions are pure.
 */
import type { ContainerReport } from '../model/container-report.ts';
import { formatBytes, formatPercent, formatSpan } from '../text/format.ts';
import { printable } from '../text/printable.ts';

type Remark = ContainerReport['remarks'][number];
type Subject = Omit<ContainerReport, 'remarks'>;

/** If this share of the limit cannot be reclaimed, a kill is near. */
const NEAR = 0.9;
/** If tasks wait for memory for this percentage of the time, they are noticeably slower. */
const STALLED_PERCENT = 10;
/** A limit is near if memory reaches it within this time at the current growth. */
const SOON_SECONDS = 3600;
/**
 * With an oom_score_adj this low the kernel rarely chooses the container's processes when the system runs out of
 * memory.
 */
const SPARED_ADJ = -900;

/** @param swapTotalBytes swap of the machine; without swap, no limit on swap matters */
export function containerRemarks(subject: Subject, swapTotalBytes: number): Remark[] {
  const remarks = [ofLimits(subject), ofUse(subject), ofHistory(subject), ofSettings(subject, swapTotalBytes)];
  const rank = { critical: 0, warning: 1, info: 2 };
  return remarks.flatMap((some) => [...some]).sort((a, b) => rank[a.severity] - rank[b.severity]);
}

const bad = (text: string): Remark => ({ severity: 'critical', text });
const warning = (text: string): Remark => ({ severity: 'warning', text });
const note = (text: string): Remark => ({ severity: 'info', text });

function* ofLimits({ memory }: Subject): Generator<Remark> {
  if (!memory) return;
  const { limit_bytes: limit, effective_limit: effective } = memory;
  if (limit === null && effective === null) {
    yield warning(
      'It has no memory limit, so it can use all memory, and then any process on the machine may be killed.',
    );
  } else if (effective && effective.path !== memory.cgroup) {
    const left = `${formatBytes(effective.left_bytes)} left of ${formatBytes(effective.limit_bytes)}`;
    const why =
      limit === null ? 'the container has no limit of its own' : "this limit is hit before the container's own";
    yield warning(`${printable(effective.path)} has ${left}: ${why}, and any process in that cgroup may be killed.`);
  }
}

function* ofUse({ memory }: Subject): Generator<Remark> {
  if (!memory) return;
  const { limit_bytes: limit, usage_bytes: usage, unreclaimable_bytes: held, growth } = memory;
  if (limit !== null && held >= limit * NEAR) {
    yield bad(`${formatPercent(held / limit)} of its limit is in use and cannot be reclaimed, so an OOM kill is near.`);
  } else if (limit !== null && usage >= limit * NEAR) {
    yield note(
      `It is near its limit, but mostly with file pages, which is normal: only ${formatPercent(held / limit)} of its limit cannot be reclaimed.`,
    );
  }
  const soon = growth?.exhausted_in_seconds;
  if (growth && soon != null && soon < SOON_SECONDS && growth.bytes_per_second > growth.uncertainty_bytes_per_second) {
    yield bad(`At its present growth it reaches the limit in ${formatSpan(soon)}.`);
  }
  const stalled = memory.pressure?.some.avg60 ?? 0;
  if (stalled >= STALLED_PERCENT) {
    yield warning(`In the last minute its tasks waited for memory ${Math.round(stalled)} % of the time.`);
  }
}

function* ofHistory({ memory, state, exit_code, oom_killed, restart_count }: Subject): Generator<Remark> {
  const kills = memory?.counts.oom_kills ?? 0;
  if (kills > 0) {
    yield bad(`The OOM killer killed processes in it ${times(kills)} since it was started.`);
  } else if (oom_killed && memory?.counts.oom_kills === 0) {
    yield note('Its runtime says "OOMKilled", but its cgroup counts no kill: a cgroup above it ran out of memory.');
  }
  if (state !== null && state !== 'running' && exit_code === 137) {
    yield oom_killed
      ? bad('It ended with exit code 137, and its runtime says that a process in it was OOM-killed.')
      : warning(
          'It ended with exit code 137 (SIGKILL), and its runtime reports no OOM: `oomscope docker watch` can find out the cause.',
        );
  }
  if ((restart_count ?? 0) > 0) yield warning(`It was restarted ${times(restart_count ?? 0)}.`);
}

function* ofSettings({ memory, configured }: Subject, swapTotalBytes: number): Generator<Remark> {
  if (!configured) return;
  const { memory_limit_bytes: limit, memory_and_swap_limit_bytes: both, oom_score_adj: adj } = configured;
  if (configured.oom_kill_disable) {
    yield memory?.cgroup_version === 2
      ? note('--oom-kill-disable has no effect on cgroup v2.')
      : warning('--oom-kill-disable is set: when it reaches its limit, its tasks hang instead of being killed.');
  }
  if (adj <= SPARED_ADJ)
    yield warning(
      `Its oom_score_adj is ${adj}: when the machine runs out of memory, other processes are killed instead.`,
    );
  if (swapTotalBytes === 0) return;
  if (configured.swap_unlimited) {
    yield note('It may use all swap (--memory-swap -1).');
  } else if (limit !== null && both !== limit) {
    const swap = formatBytes((both ?? 2 * limit) - limit);
    yield note(`It may use ${swap} of swap on top of its limit; --memory-swap equal to --memory prevents that.`);
  }
}

const times = (count: number) => (count === 1 ? 'once' : `${count} times`);
