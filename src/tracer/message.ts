import { type Container, shortId } from '../model/container.ts';
import type { OomKill } from '../model/events.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';

const name = (comm: string | null, pid: number) => `${comm === null ? 'A process' : printable(comm)} (pid ${pid})`;

/** One sentence: who, what happened, whose limit, who triggered it, how much it held. */
export function killMessage(kill: Pick<OomKill, 'kind' | 'victim' | 'trigger' | 'scope' | 'limit'>): string {
  const { victim, trigger } = kill;
  const who = name(victim.comm, victim.pid);
  const what = {
    killed: 'was killed',
    already_dying: 'was already exiting and was let off with the kernel’s reserves, not killed',
    group_member: 'was killed with its whole cgroup (memory.oom.group)',
    shared_memory: 'was killed because it shares the victim’s memory',
  }[kill.kind];
  const where = victim.container ? ` in ${containerName(victim.container)}` : '';
  const held = victim.memory ? `, holding ${formatBytes(victim.memory.rss_bytes)}` : '';
  const by = trigger.pid === victim.pid ? 'itself' : name(trigger.comm, trigger.pid);
  return `${who}${where} ${what}${held}: ${reason(kill)}; triggered by ${by}.`;
}

/** "container web", or the start of its id when it has no name. */
export function containerName({ name, id }: Pick<Container, 'name' | 'id'>): string {
  return `container ${printable(name ?? shortId(id))}`;
}

function reason({ scope, limit, victim, trigger }: Pick<OomKill, 'victim' | 'scope' | 'limit' | 'trigger'>): string {
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
