import type { Container } from '../model/container.ts';
import type { ContainerKilled, ContainerOom } from '../model/container-events.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { containerName } from '../tracer/message.ts';

type Oom = Pick<ContainerOom, 'container' | 'verdict' | 'limit' | 'limit_of' | 'kills' | 'ended' | 'exit_code'>;

/** One sentence or two: which container, what was killed in it, whose limit it was, and what became of it. */
export function containerOomMessage(oom: Oom): string {
  const who = whoOf(oom.container);
  const runtime = oom.container.runtime === 'podman' ? 'Podman' : 'Docker';
  if (oom.verdict === 'spared') {
    return `${runtime} says that ${who} ran out of memory, but the kernel killed nothing in it: a cgroup above it ran out.`;
  }
  if (oom.verdict === 'reported') {
    return sentence(
      `${who} had a process OOM-killed, says ${runtime}; the kernel's kills are not watched.${after(oom)}`,
    );
  }
  const main = oom.verdict === 'main_killed';
  const victims = `${main ? 'its main process ' : ''}${victimsOf(oom)}`;
  return sentence(`${who} ${main ? 'was' : 'had a process'} OOM-killed: ${victims}, ${reason(oom)}.${after(oom)}`);
}

export function containerKilledMessage({
  container,
  by,
  exit_code,
  kernel_watched,
}: Pick<ContainerKilled, 'container' | 'by' | 'exit_code' | 'kernel_watched'>): string {
  const how =
    by === 'runtime'
      ? 'its runtime was told to kill it'
      : 'somebody sent it SIGKILL, or the program itself returned 137';
  const sure = kernel_watched ? 'and no OOM killer had a part in it' : 'and its runtime knows of no OOM';
  return sentence(`${whoOf(container)} ended with exit code ${exit_code}, ${sure}: ${how}.`);
}

function whoOf(container: Container): string {
  const image = container.image === null ? '' : ` (image ${printable(container.image)})`;
  return `${containerName(container)}${image}`;
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function victimsOf({ kills: [first, ...others] }: Oom): string {
  const held = first?.rss_bytes == null ? '' : `, holding ${formatBytes(first.rss_bytes)}`;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return `${printable(first?.comm ?? 'a process')} (pid ${first?.pid})${held}${more}`;
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
      return 'for want of memory';
  }
}

function after({ verdict, ended, exit_code }: Oom): string {
  if (ended === null) return '';
  if (!ended) return verdict === 'main_killed' ? ' It has not ended yet.' : ' It goes on.';
  return ` It ended with exit code ${exit_code}.`;
}
