import { type Container, shortId } from '../model/container.ts';
import type { LimitCgroup, OomKill, OomReaped, OomStuck, TracerStopped } from '../model/events.ts';
import { formatBytes, formatNs } from '../text/format.ts';
import { printable } from '../text/printable.ts';

const name = (comm: string | null, pid: number, unknown = 'A process') =>
  `${comm === null ? unknown : printable(comm)} (pid ${pid})`;

/**
 * One sentence: the victim, what happened to it, how much memory it held, whose limit was hit, what else holds the
 * memory of this cgroup, and which process triggered the kill.
 */
export function killMessage(
  kill: Pick<OomKill, 'kind' | 'victim' | 'trigger' | 'scope' | 'limit' | 'composition'>,
): string {
  const { victim, trigger } = kill;
  const who = name(victim.comm, victim.pid);
  const what = {
    killed: 'was killed',
    already_dying: 'was already exiting; the kernel gave it access to memory reserves and did not kill it',
    group_member: 'was killed with its whole cgroup (memory.oom.group)',
    shared_memory: 'was killed because it shares the victim’s memory',
  }[kill.kind];
  const where = victim.container ? ` in ${containerName(victim.container)}` : '';
  const held = victim.memory ? `, holding ${formatBytes(victim.memory.rss_bytes)}` : '';
  const by = trigger.pid === victim.pid ? 'itself' : name(trigger.comm, trigger.pid);
  return `${who}${where} ${what}${held}: ${killReason(kill)}${holder(kill)}; triggered by ${by}.`;
}

/** What holds the memory of the cgroup, if the victim holds less than half of it: ", of which 12 MiB are in tmpfs". */
function holder({ victim, limit, composition }: Pick<OomKill, 'victim' | 'limit' | 'composition'>): string {
  if (!limit || !composition || !victim.memory) return '';
  const { memory } = victim;
  const usage = limit.usage_bytes;
  if (memory.rss_bytes >= usage / 2) return '';
  const { anon_bytes, file_bytes, shmem_bytes, kernel_bytes } = composition;
  const holders: [bytes: number, where: string][] = [
    [shmem_bytes - memory.shmem_rss_bytes, 'are in tmpfs and shared memory, not in the victim'],
    [kernel_bytes ?? 0, 'are memory of the kernel, which no kill of a process frees at once'],
    [anon_bytes - memory.anon_rss_bytes, 'are held by other processes'],
    [file_bytes, 'are pages of files'],
  ];
  const [bytes, where] = holders.reduce((most, next) => (next[0] > most[0] ? next : most));
  return bytes > memory.rss_bytes && bytes >= usage / 3 ? `, of which ${formatBytes(bytes)} ${where}` : '';
}

/** One sentence: whether the victim has exited, how long it took to free its memory, and what its cgroup uses now. */
export function reapedMessage(
  reaped: Pick<OomReaped, 'victim' | 'mark_to_memory_back_ns' | 'limit_usage_after_bytes' | 'outcome' | 'cut_short'>,
): string {
  const { victim, mark_to_memory_back_ns: back, limit_usage_after_bytes: after, outcome } = reaped;
  const who = name(victim.comm, victim.pid, 'The victim');
  if (reaped.cut_short) return `${who} had not freed its memory yet when oomscope stopped.`;
  if (outcome === 'unfinished') return `${who} has not freed its memory yet.`;
  if (back === null) return `${who} is gone; it had no memory left when the kernel marked it as the victim.`;
  const by = outcome === 'reaped' ? ', by the OOM reaper' : '';
  const use = after === null ? '' : `; its cgroup now uses ${formatBytes(after)}`;
  return `${who} is gone; its memory was freed ${formatNs(back)} after the kernel marked it${by}${use}.`;
}

type Stuck = Pick<
  OomStuck,
  'state' | 'cause' | 'cgroup' | 'trigger' | 'ooms' | 'stuck_ns' | 'processes' | 'process_count'
>;

/** Which cgroup is out of memory without a kill, why no process is killed, and what would help. */
export function stuckMessage(stuck: Stuck): string {
  const { state, cgroup, trigger, stuck_ns } = stuck;
  const where = cgroup.container ? ` (${containerName(cgroup.container)})` : '';
  const what = `cgroup ${printable(cgroup.path)}${where}`;
  const time = formatNs(stuck_ns);
  if (state === 'over') return `The ${what} is no longer out of memory without a kill, after ${time}.`;
  const limit = cgroup.limit_bytes === null ? 'its limit' : `its limit of ${formatBytes(cgroup.limit_bytes)}`;
  const waiting = name(trigger.comm, trigger.pid);
  const ends = 'Raise the limit, or end a process in the cgroup.';
  return `The ${what} has been out of memory for ${time} at ${limit}, and ${because(stuck)}. ${waiting} needs memory. ${ends}`;
}

function because({ cause, ooms, processes, process_count }: Stuck): string {
  const [largest] = processes;
  const holder = largest
    ? `; the largest is ${name(largest.comm, largest.pid)}, holding ${formatBytes(largest.rss_bytes)}`
    : '';
  switch (cause) {
    case 'oom_kill_disabled':
      return 'the kernel may not kill in it (oom_kill_disable), so its tasks hang, or their system calls fail, until memory is free';
    case 'victim_not_exiting': {
      const victim = processes.find(({ dying }) => dying);
      return `the process that the kernel killed does not exit: ${victim ? name(victim.comm, victim.pid) : 'unknown'}`;
    }
    case 'nothing_killable': {
      const tries = ooms === null ? '' : `, for which the kernel looked ${ooms} times`;
      const all = process_count === 1 ? 'its one process has' : `its ${process_count} processes have`;
      return `no process in it can be killed${tries}: ${all} oom_score_adj -1000 or ${process_count === 1 ? 'is' : 'are'} pid 1${holder}`;
    }
  }
}

/** How long the tracer ran, how many kills it saw, how many of them were not shown, and how many records were lost. */
export function stoppedMessage({
  kills,
  kills_hidden: hidden,
  lost_total: lost,
  duration_ns,
}: Pick<TracerStopped, 'kills' | 'kills_hidden' | 'lost_total' | 'duration_ns'>): string {
  const total = Object.values(kills).reduce((sum, count) => sum + count, 0);
  const shown = hidden === 0 ? '' : `, ${hidden === total ? 'all' : hidden} of them hidden by the filters`;
  const seconds = Math.round(duration_ns / 1e6) / 1000;
  return `Stopped after ${seconds} s: ${total} kill${total === 1 ? '' : 's'}${shown}, ${lost} lost.`;
}

/** "container web", or the start of the container's id if the container has no name. */
export function containerName({ name, id }: Pick<Container, 'name' | 'id'>): string {
  return `container ${printable(name ?? shortId(id))}`;
}

/** Why the kernel killed, as the end of a sentence: "it reached its limit of 64 MiB". */
export function killReason({
  scope,
  limit,
  victim,
  trigger,
}: Pick<OomKill, 'victim' | 'scope' | 'limit' | 'trigger'>): string {
  if (trigger.order === -1) return 'SysRq-f was pressed';
  if (limit?.limit_bytes != null) {
    return `${whoseLimit(limit, victim)} reached its limit of ${formatBytes(limit.limit_bytes)}`;
  }
  switch (scope) {
    case 'system':
      return 'the system ran out of memory';
    case 'cpuset':
      return 'the memory nodes of its cpuset are full';
    case 'mempolicy':
      return 'the memory nodes of its memory policy are full';
    case 'cgroup':
      return `cgroup ${printable(limit?.path ?? '?')} ran out of memory`;
    default:
      return 'out of memory';
  }
}

function whoseLimit({ container, pod, path }: LimitCgroup, victim: OomKill['victim']): string {
  if (container !== null && container.id === victim.container?.id) return 'it';
  if (container === null && pod !== null && pod.uid === victim.pod?.uid)
    return pod.name === null ? 'its pod' : `its pod ${printable(`${pod.namespace ?? '?'}/${pod.name}`)}`;
  return `cgroup ${printable(path)}`;
}
