/** The facts of a story as rows of a name and a text, for all its forms. Texts are without control characters. */

import type { CgroupOwner } from '../model/container.ts';
import { shortId } from '../model/container.ts';
import type { OomKill } from '../model/oom-kill.ts';
import { formatBytes, formatNs } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { killOf, reportOf, type Story } from './story.ts';

export type Fact = readonly [name: string, text: string];

/** What is known about the event and its victim. */
export function factsOf(story: Story): Fact[] {
  const { head } = story;
  const facts: Fact[] = [
    ['time', head.time.replace('T', ' ').replace(/(\.\d{3})\d+Z$/, '$1 UTC')],
    ['host', printable(head.node)],
  ];
  const kill = killOf(story);
  if (kill) facts.push(...ofKill(kill));
  if (!kill && head.source === 'log')
    facts.push(['seen', 'in the kernel’s log only: oomscope did not run at that time']);
  facts.push(...recovery(story));
  facts.push(['event', head.id]);
  return facts;
}

function ofKill({ victim, trigger, limit, scope, missing }: OomKill): Fact[] {
  const facts: Fact[] = [];
  const add = (name: string, text: string | null | undefined) => {
    if (text !== null && text !== undefined && text !== '') facts.push([name, printable(text)]);
  };
  add(
    'victim',
    `${victim.comm ?? '?'}, pid ${victim.pid}${victim.uid === null ? '' : `, user ${victim.uid}`}, oom_score_adj ${victim.oom_score_adj ?? 'unknown'}`,
  );
  add('command', victim.cmdline?.join(' ').slice(0, 400) ?? victim.exe);
  if (victim.memory) {
    const { rss_bytes, anon_rss_bytes, file_rss_bytes, shmem_rss_bytes, swap_bytes } = victim.memory;
    const parts = `anonymous ${formatBytes(anon_rss_bytes)}, files ${formatBytes(file_rss_bytes)}, shared ${formatBytes(shmem_rss_bytes)}`;
    add('its memory', `${formatBytes(rss_bytes)} resident (${parts}), ${formatBytes(swap_bytes)} in swap`);
  }
  facts.push(...ownerFacts(victim));
  add('cgroup', victim.cgroup);
  if (limit) {
    const most = limit.limit_bytes === null ? '' : ` of ${formatBytes(limit.limit_bytes)}`;
    add('limit', `${limit.path}${most}, in use ${formatBytes(limit.usage_bytes)}`);
  } else add('scope', scope);
  add('asked for memory', `${trigger.comm}, pid ${trigger.pid}${trigger.gfp === null ? '' : `, ${trigger.gfp}`}`);
  add('not known', missing.join(', '));
  return facts;
}

export function ownerFacts({ container, pod, unit }: CgroupOwner): Fact[] {
  const facts: Fact[] = [];
  if (container) {
    const image = container.image === null ? '' : `, image ${container.image}`;
    facts.push(['container', printable(`${container.name ?? shortId(container.id)}${image}`)]);
  }
  if (pod) facts.push(['pod', printable(pod.name === null ? pod.uid : `${pod.namespace}/${pod.name}`)]);
  if (unit !== null) facts.push(['unit', printable(unit)]);
  return facts;
}

/** When the memory was free again. */
function recovery({ parts }: Story): Fact[] {
  const reaped = parts.find((event) => event.type === 'oom.reaped');
  const result = parts.find((event) => event.type === 'guard.result');
  const facts: Fact[] = [];
  if (reaped) {
    const { mark_to_memory_back_ns: back, limit_usage_before_bytes: before, limit_usage_after_bytes: after } = reaped;
    const time =
      back === null ? 'it is not known when its memory was free' : `its memory was free after ${formatNs(back)}`;
    const usage =
      before === null || after === null ? '' : `; the cgroup went from ${formatBytes(before)} to ${formatBytes(after)}`;
    facts.push(['recovery', `${time}${usage}`]);
  }
  if (result) {
    const freed = result.freed_bytes === null ? '' : `, ${formatBytes(result.freed_bytes)} more available`;
    facts.push(['outcome', `${result.outcome.replaceAll('_', ' ')}${freed}`]);
  }
  return facts;
}

/** Whether the lead-up of the kill has enough samples for a chart. */
export function leadUpOf(story: Story) {
  const leadUp = killOf(story)?.lead_up;
  return leadUp && leadUp.samples.length > 1 ? leadUp : undefined;
}

/** The processes from which the kernel chose: the candidates of the kill, or those of its report. */
export function choiceOf(story: Story): { pid: number; comm: string; bytes: number; adj: number; chosen: boolean }[] {
  const kill = killOf(story);
  const report = reportOf(story);
  const victim = kill?.victim.pid ?? report?.victim?.pid;
  if (kill?.candidates) {
    return kill.candidates.map(({ pid, comm, rss_bytes, swap_bytes, oom_score_adj }) => ({
      ...{ pid, comm, bytes: rss_bytes + swap_bytes, adj: oom_score_adj, chosen: pid === victim },
    }));
  }
  const tasks = report?.tasks.filter(({ badness_pages }) => badness_pages !== null) ?? [];
  return tasks
    .toSorted((a, b) => (b.badness_pages ?? 0) - (a.badness_pages ?? 0))
    .slice(0, 10)
    .map(({ pid, comm, rss_bytes, oom_score_adj }) => ({
      pid,
      comm,
      bytes: rss_bytes,
      adj: oom_score_adj,
      chosen: pid === victim,
    }));
}
