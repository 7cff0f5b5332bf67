import { authorPhrase } from '../killers/message.ts';
import type { Container } from '../model/container.ts';
import type { ContainerKill, ContainerKilled, ContainerOom } from '../model/container-events.ts';
import type { OomStuck } from '../model/oom-stuck.ts';
import type { KillAuthor } from '../model/process-killed.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { containerName } from '../tracer/message.ts';

type Oom = Pick<
  ContainerOom,
  | ('container' | 'verdict' | 'limit' | 'limit_of')
  | ('group_kill' | 'kill_count' | 'kills' | 'ended' | 'ended_by' | 'exit_code' | 'update' | 'final')
>;

/**
 * One sentence or two: which container, what was killed in it, whose limit it was, and what became of the container.
 */
export function containerOomMessage(oom: Oom, stuck?: OomStuck): string {
  const name = nameOf(oom.container);
  const runtime = oom.container.runtime === 'podman' ? 'Podman' : 'Docker';
  if (stuck && oom.verdict === 'stuck') {
    return sentence(`${name} is out of memory, and no process in it is killed. ${stuck.message}`);
  }
  if (oom.verdict === 'spared') {
    return `${runtime} says that ${name} ran out of memory, but the kernel killed nothing in it: a cgroup above it ran out of memory.`;
  }
  if (oom.verdict === 'reported') {
    return sentence(
      `${runtime} says that a process in ${name} was OOM-killed; the kernel's kills are not watched.${after(oom)}`,
    );
  }
  return sentence(`${name} ${whatWasKilled(oom)}, ${reason(oom)}.${after(oom)}`);
}

export function containerKilledMessage({
  container,
  by,
  author,
  author_unknown,
  main,
  exit_code,
  kernel_watched,
}: Pick<
  ContainerKilled,
  'container' | 'by' | 'author' | 'author_unknown' | 'main' | 'exit_code' | 'kernel_watched'
>): string {
  const sure = kernel_watched ? 'and not because of the OOM killer' : 'and its runtime knows of no OOM';
  const runtime = by === 'runtime' ? 'its runtime was told to kill it' : `who killed it is unknown: ${author_unknown}`;
  const how = author === null ? runtime : endPhrase(author, main);
  return sentence(`${nameOf(container)} ended with exit code ${exit_code}, ${sure}: ${how}.`);
}

/** "its main process sleep (pid 12) was killed by dockerd, through runc (pid 31): it was told to". */
function endPhrase(author: KillAuthor, main: ContainerKilled['main']): string {
  const process = main === null ? 'its main process' : `its main process ${printable(main.comm)} (pid ${main.pid})`;
  const why = author.reason === null ? '' : `: ${printable(author.reason.words)}`;
  if (author.kind === 'self' && author.means === null) return `${process} returned this code itself${why}`;
  return `${process} was killed ${authorPhrase(author)}${why}`;
}

function nameOf(container: Container): string {
  const image = container.image === null ? '' : ` (image ${printable(container.image)})`;
  return `${containerName(container)}${image}`;
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function whatWasKilled({ verdict, group_kill, kill_count, kills }: Oom): string {
  const main = kills.find(({ main }) => main === true);
  if (group_kill) {
    const among = main ? `, the main process ${processOf(main)} among them` : '';
    const whole = verdict === 'main_killed' ? ' as a whole' : ' as a group';
    return `was OOM-killed${whole} (memory.oom.group): ${kill_count} processes${among}`;
  }
  const [shown] = main ? [main] : kills;
  const others = kill_count === 2 ? ', and another process' : `, and ${kill_count - 1} other processes`;
  const victim = `${shown ? processOf(shown) : 'a process'}${kill_count > 1 ? others : ''}`;
  if (verdict === 'main_killed') return `was OOM-killed: its main process ${victim}`;
  return `had ${kill_count > 1 ? 'processes' : 'a process'} OOM-killed: ${victim}`;
}

function processOf({ comm, pid, rss_bytes }: ContainerKill): string {
  const held = rss_bytes === null ? '' : `, holding ${formatBytes(rss_bytes)}`;
  return `${printable(comm ?? '?')} (pid ${pid})${held}`;
}

function reason({ limit_of, limit }: Oom): string {
  const bytes = limit?.limit_bytes == null ? '' : ` of ${formatBytes(limit.limit_bytes)}`;
  const path = printable(limit?.path ?? '?');
  switch (limit_of) {
    case 'container':
      return `at the container's own limit${bytes}`;
    case 'cgroup_inside':
      return `at the limit${bytes} of ${path}, inside the container`;
    case 'cgroup_above':
      return `at the limit${bytes} of ${path}, above the container`;
    case 'system':
      return 'because the whole system ran out of memory';
    case 'nodes':
      return 'because the memory nodes that it may use were full';
    default:
      return 'because memory ran out';
  }
}

function after({ verdict, ended, ended_by, exit_code, update, final }: Oom): string {
  if (ended && ended_by) return ` It ended with exit code ${exit_code}: ${endPhrase(ended_by, null)}.`;
  if (ended) return ` It ended with exit code ${exit_code}.`;
  if (!final) return update > 0 ? ' More processes are being killed in it.' : '';
  if (ended === null) return '';
  return verdict === 'main_killed' ? ' It has not ended yet.' : ' It still runs.';
}
