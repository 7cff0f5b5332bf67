/**
 * Events as text.
 */

import { type Container, type Pod, shortId } from '../model/container.ts';
import type { ContainerKilled, ContainerOom } from '../model/container-events.ts';
import type {
  Candidate,
  CgroupComposition,
  CgroupUsage,
  Event,
  LimitCgroup,
  OomKill,
  OomReaped,
} from '../model/events.ts';
import { formatBytes, formatNs } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { isLate, isPartial } from './late-composition.ts';
import { renderLeadUp } from './lead-up.ts';
import type { Paint } from './paint.ts';
import { renderProcessKilled } from './process-killed.ts';

/** @returns lines without a final newline. Names are escaped, so that they cannot move the cursor */
export function renderEvent(event: Event, paint: Paint): string {
  switch (event.type) {
    case 'oom.kill':
      return renderKill(event, paint);
    case 'oom.reaped':
      return renderReaped(event, paint);
    case 'process.killed':
      return renderProcessKilled(event, (label, rest) => headline(event, label, rest, paint), paint);
    case 'oom.stuck': {
      const [colour, word] = event.state === 'over' ? (['green', 'OVER'] as const) : (['red', 'STUCK'] as const);
      return headline(event, paint(colour, word.padEnd(8)), printable(event.message), paint);
    }
    case 'container.oom':
    case 'container.killed':
      return renderContainerEnd(event, paint);
    case 'pressure.level':
    case 'memory.usage':
    case 'memory.shortage': {
      const [colour, word] = levels[event.level];
      return headline(event, paint(colour, word.padEnd(8)), printable(event.message), paint);
    }
    case 'tracer.lost':
      return headline(event, paint('yellow', 'LOST'.padEnd(8)), printable(event.message), paint);
    default:
      return headline(event, paint('dim', event.type), printable(event.message), paint);
  }
}

const levels = {
  normal: ['green', 'NORMAL'],
  low: ['dim', 'LOW'],
  medium: ['yellow', 'MEDIUM'],
  critical: ['red', 'CRITICAL'],
} as const;

const labels = {
  killed: ['red', 'KILLED'],
  group_member: ['red', 'KILLED'],
  shared_memory: ['red', 'KILLED'],
  already_dying: ['yellow', 'DYING'],
} as const;

function renderKill(kill: OomKill, paint: Paint): string {
  const [colour, label] = labels[kill.kind];
  const { victim, trigger } = kill;
  const rows: [string, string][] = [['why', why(kill)]];
  const asked = trigger.gfp === null ? '' : `, asking for ${pages(trigger.order)} with ${trigger.gfp}`;
  const self = trigger.pid === victim.pid;
  if (kill.composition) rows.push(compositionRow(kill.composition, kill.limit?.usage_bytes ?? null));
  rows.push(['trigger', `${self ? 'itself' : `${show(trigger.comm)} (pid ${trigger.pid})`}${asked}`]);
  const m = victim.memory;
  if (m) {
    const parts = `anon ${formatBytes(m.anon_rss_bytes)}, file ${formatBytes(m.file_rss_bytes)}, shmem ${formatBytes(m.shmem_rss_bytes)}`;
    const more = `swap ${formatBytes(m.swap_bytes)}, page tables ${formatBytes(m.page_tables_bytes)}`;
    rows.push(['memory', `${formatBytes(m.rss_bytes)} resident (${parts}), ${more}`]);
  }
  if (victim.cmdline) rows.push(['command', shorten(victim.cmdline.map(quote).join(' '), 200)]);
  else if (victim.exe !== null) rows.push(['command', show(victim.exe)]);
  if (victim.container) rows.push(['container', containerLine(victim.container, victim.pod)]);
  else if (victim.unit !== null) rows.push(['unit', show(victim.unit)]);
  for (const inner of victim.inner_containers.toReversed()) rows.push(['in it', containerLine(inner, null)]);
  if (victim.cgroup !== null) rows.push(['cgroup', show(victim.cgroup)]);
  rows.push(['identity', identity(kill)]);
  rows.push(['system', system(kill)]);
  if (kill.lead_up) rows.push(...renderLeadUp(kill.lead_up));
  for (const [i, candidate] of (kill.candidates ?? []).entries())
    rows.push([i === 0 ? 'chosen' : '', candidateLine(candidate)]);
  if (kill.missing.length > 0) rows.push(['unknown', kill.missing.join(', ')]);
  const name = `${paint('bold', show(victim.comm ?? '?'))} (pid ${victim.pid})`;
  const head = headline(kill, paint(colour, label.padEnd(8)), name, paint);
  return [head, ...rows.map(([key, value]) => `${' '.repeat(13)}${paint('dim', key.padEnd(10))}${value}`)].join('\n');
}

function why(kill: OomKill): string {
  const kind = {
    killed: '',
    group_member: 'its whole cgroup is killed (memory.oom.group): ',
    shared_memory: 'it shares the memory of the victim: ',
    already_dying: 'not killed, it was exiting already: ',
  }[kill.kind];
  return `${kind}${cause(kill)}`;
}

function cause({ scope, limit, limit_inferred, trigger, victim }: OomKill): string {
  if (trigger.order === -1) return 'SysRq-f';
  if (limit) {
    const of = limit.limit_bytes === null ? '' : ` of ${formatBytes(limit.limit_bytes)}`;
    const level = limit.path === victim.cgroup ? 'its cgroup' : above(limit, victim);
    return `${level} uses ${formatBytes(limit.usage_bytes)}${of}${swap(limit)}${limit_inferred ? ' (inferred)' : ''}`;
  }
  const words = {
    system: 'the system',
    cpuset: 'the nodes of its cpuset',
    mempolicy: 'the nodes of its memory policy',
    cgroup: 'a cgroup',
  };
  return scope === null ? 'not known' : `${words[scope]} ran out of memory`;
}

function above(limit: LimitCgroup, victim: OomKill['victim']): string {
  if (limit.container && limit.container.id === victim.container?.id) return 'its container';
  return `the cgroup ${show(limit.path)}, above its own,`;
}

/** "web, image nginx:1.27, service frontend of shop (docker 0123456789ab)". */
export function containerLine(container: Container, pod: Pod | null): string {
  const { runtime, id, name, image, compose_project: project, compose_service: service } = container;
  const short = shortId(id);
  const compose = service === null ? '' : `, service ${show(service)}${project === null ? '' : ` of ${show(project)}`}`;
  const inPod =
    pod && (pod.name === null ? `, pod ${pod.uid}` : `, pod ${show(pod.namespace ?? '?')}/${show(pod.name)}`);
  const from = `${runtime ?? 'runtime not known'}${name === null ? '' : ` ${show(short)}`}`;
  return `${show(name ?? short)}${image === null ? '' : `, image ${show(image)}`}${compose}${inPod ?? ''} (${from})`;
}

function swap(limit: CgroupUsage): string {
  if (limit.swap_bytes) return `, swap ${formatBytes(limit.swap_bytes)}`;
  return '';
}

/** The victim may have freed its memory before the figures were read: then they are about what is left. */
function compositionRow(parts: CgroupComposition, atKillBytes: number | null): [string, string] {
  const age = formatNs(parts.age_ns);
  if (atKillBytes !== null && isLate(parts, atKillBytes))
    return ['left', `${formatBytes(parts.usage_bytes)} ${age} after the kill: ${compositionLine(parts)}`];
  const of = isPartial(parts) ? `, of ${formatBytes(parts.usage_bytes)} in use` : '';
  return ['made of', `${compositionLine(parts)}${of}, read after ${age}`];
}

function compositionLine(parts: CgroupComposition): string {
  const { anon_bytes, file_bytes, shmem_bytes, kernel_bytes, swap_bytes } = parts;
  const shown: [string, number | null][] = [
    ...([
      ['anon', anon_bytes],
      ['file', file_bytes],
      ['tmpfs and shared', shmem_bytes],
    ] as [string, number][]),
    ...([
      ['kernel', kernel_bytes],
      ['swap', swap_bytes],
    ] as [string, number | null][]),
  ];
  const known = shown.filter(([, bytes]) => bytes !== null);
  return known.map(([name, bytes]) => `${name} ${formatBytes(bytes as number)}`).join(', ');
}

function candidateLine({
  container,
  pid,
  comm,
  badness_pages,
  rss_bytes,
  swap_bytes,
  oom_score_adj,
}: Candidate): string {
  const size = `${formatBytes(rss_bytes)} + ${formatBytes(swap_bytes)} swap`;
  return `${String(badness_pages).padStart(9)} points  ${size.padEnd(22)} adj ${String(oom_score_adj).padEnd(5)} ${show(comm)} (pid ${pid})${container === null ? '' : ` in container ${show(container.name ?? shortId(container.id))}`}`;
}

function identity({ victim }: OomKill): string {
  const thread = victim.tid === victim.pid ? '' : `thread ${victim.tid} of ${show(victim.process_comm ?? '?')}, `;
  const known = (label: string, value: number | null) => (value === null ? '' : `${label} ${value}`);
  const inner = victim.namespace_pids.length > 1 ? `pid ${victim.namespace_pids.at(-1)} in its pid namespace` : '';
  const parts = [
    known('uid', victim.uid),
    known('parent', victim.ppid),
    known('oom_score_adj', victim.oom_score_adj),
    inner,
  ];
  return thread + parts.filter(Boolean).join(', ');
}

function system({ system: { meminfo, pressure, load_1m } }: OomKill): string {
  const parts: string[] = [];
  if (meminfo) parts.push(`${formatBytes(meminfo.available_bytes)} of ${formatBytes(meminfo.total_bytes)} available`);
  if (pressure) parts.push(`memory pressure some ${pressure.some.avg10} % full ${pressure.full.avg10} %`);
  if (load_1m !== null) parts.push(`load ${load_1m}`);
  return parts.join(', ') || 'not readable';
}

function renderReaped(reaped: OomReaped, paint: Paint): string {
  const { outcome, victim } = reaped;
  const [colour, label] =
    outcome === 'unfinished'
      ? ([reaped.cut_short ? 'dim' : 'yellow', 'UNFREED'] as const)
      : (['green', 'GONE'] as const);
  const back = reaped.mark_to_memory_back_ns;
  const after = reaped.limit_usage_after_bytes;
  const how = outcome === 'reaped' ? ' by the OOM reaper' : '';
  const story =
    back === null
      ? reaped.cut_short
        ? 'its memory was not free yet when oomscope stopped'
        : 'its memory is not back'
      : `memory back after ${formatNs(back)}${how}${after === null ? '' : `, the cgroup uses ${formatBytes(after)}`}`;
  const name = `${paint('bold', show(victim.comm ?? '?'))} (pid ${victim.pid})`;
  return headline(reaped, paint(colour, label.padEnd(8)), `${name} ${story}`, paint);
}

const verdicts = {
  main_killed: ['red', 'OOM'],
  process_killed: ['yellow', 'OOM in'],
  killed: ['red', 'OOM in?'],
  stuck: ['red', 'STUCK'],
  spared: ['green', 'SPARED'],
  reported: ['red', 'OOM?'],
} as const;

function renderContainerEnd(event: ContainerOom | ContainerKilled, paint: Paint): string {
  const [colour, label] = event.type === 'container.oom' ? verdicts[event.verdict] : (['dim', 'SIGKILL'] as const);
  return headline(event, paint(colour, label.padEnd(8)), printable(event.message), paint);
}

function headline(event: Event, label: string, rest: string, paint: Paint): string {
  const time = new Date(event.time);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':');
  return `${paint('dim', `${clock}.${event.time.slice(20, 23)}`)} ${label} ${rest}`;
}

const show = printable;

function quote(argument: string): string {
  const safe = printable(argument);
  return safe === '' || /[\s"'\\$`]/.test(safe) ? `'${safe.replaceAll("'", "'\\''")}'` : safe;
}

function pages(order: number | null): string {
  if (order === null) return 'memory';
  return order <= 0 ? '1 page' : `${2 ** order} pages (order ${order})`;
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}
