import { type Container, shortId } from '../model/container.ts';
import type { OomKill, OomReaped } from '../model/events.ts';
import { formatBytes, formatNs } from '../text/format.ts';
import { printable } from '../text/printable.ts';

const name = (comm: string | null, pid: number, unknown = 'A process') =>
  `${comm === null ? unknown : printable(comm)} (pid ${pid})`;

/**
 * One sentence: the victim, what happened to it, how much memory it held, whose limit was hit, which process
 * triggered it.
 */
export function killMessage(kill: Pick<OomKill, 'kind' | 'victim' | 'trigger' | 'scope' | 'limit'>): string {
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
  return `${who}${where} ${what}${held}: ${killReason(kill)}; triggered by ${by}.`;
}

/** One sentence: whether the victim has exited, how long it took to free its memory, and what its cgroup uses now. */
export function reapedMessage(
  reaped: Pick<OomReaped, 'victim' | 'mark_to_memory_back_ns' | 'limit_usage_after_bytes' | 'outcome'>,
): string {
  const { victim, mark_to_memory_back_ns: back, limit_usage_after_bytes: after, outcome } = reaped;
  const who = name(victim.comm, victim.pid, 'The victim');
  if (outcome === 'unfinished') return `${who} has not freed its memory yet.`;
  if (back === null) return `${who} is gone; it had no memory left when the kernel marked it as the victim.`;
  const by = outcome === 'reaped' ? ', by the OOM reaper' : '';
  const use = after === null ? '' : `; its cgroup now uses ${formatBytes(after)}`;
  return `${who} is gone; its memory was freed ${formatNs(back)} after the kernel marked it${by}${use}.`;
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
    const own = limit.container !== null && limit.container.id === victim.container?.id;
    return `${own ? 'it' : `cgroup ${printable(limit.path)}`} reached its limit of ${formatBytes(limit.limit_bytes)}`;
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
