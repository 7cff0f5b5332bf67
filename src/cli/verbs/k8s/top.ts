import type { PodContainer } from '../../../kubernetes/node-containers.ts';
import type { Paint } from '../../../render/paint.ts';
import { fitted } from '../../../render/width.ts';
import { formatBytes, formatPercent, formatRate, formatSpan } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { nodePodsOptions, nodePodsVerb, podsHere } from '../../verb/node-pods.ts';
import { byDefault, duration } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

const options = {
  sample: byDefault('1s', duration('TIME', 'measure growth over this time')),
  ...nodePodsOptions,
};

export const verb = defineVerb({
  description: [
    'Shows the memory of each container in the pods on this node, the one in most danger first. Needs no metrics-server.',
    'It runs on the node, or in the pod of the agent. Without the API, names come from files on the node, and requests are not known.',
  ],
  ...nodePodsVerb,
  options,
  format: 'document',
  json: 'write a JSON array with an object for each container',
  sections: [
    {
      title: 'Columns',
      rows: [
        ['HELD', 'memory that cannot be reclaimed'],
        ['REQUEST', 'what the manifest requests; the kubelet evicts pods above it first'],
        ['LIMIT', 'the limit that will be hit first; (pod): that of the pod, (above): of a cgroup above it'],
        ['FULL', 'HELD as a share of this limit'],
        ['LEFT', 'memory until this limit is hit'],
        ['SOME', 'share of the last ten seconds in which at least one task waited for memory'],
        ['GROWTH', 'growth of the usage, and when it will reach the limit'],
        ['KILLS', 'processes killed by the OOM killer since the container was started'],
      ],
    },
  ],
  examples: [
    { command: 'sudo oomscope k8s top', about: 'Show all pods on this node.' },
    { command: "sudo oomscope k8s top 'web*' --namespace shop", about: 'Show some pods.' },
    { command: 'sudo oomscope k8s top --sample 10s', about: 'Measure growth over ten seconds.' },
  ],
  run,
});

async function run({ given, words: names, asText, paint }: Context<typeof options>): Promise<number> {
  const containers = await podsHere(given, names, given.sample ?? 1000);
  const sorted = containers.sort((a, b) => danger(b) - danger(a));
  if (!asText) process.stdout.write(`${JSON.stringify(sorted, null, 2)}\n`);
  else if (sorted.length > 0) process.stdout.write(`${table(sorted, paint, terminalColumns(process.stdout, 200))}\n`);
  else tell('No pod runs on this node.');
  return Exit.ok;
}

/** How full it is, more if tasks wait, and most if it will reach its limit soon. */
function danger({ memory }: PodContainer): number {
  const soon = memory.growth?.exhausted_in_seconds ?? null;
  return full(memory) + (memory.pressure?.some.avg10 ?? 0) / 100 + (soon === null ? 0 : 60 / (60 + soon));
}

const full = ({ unreclaimable_bytes, effective_limit }: PodContainer['memory']) =>
  effective_limit === null ? 0 : unreclaimable_bytes / effective_limit.limit_bytes;

const HEAD = ['HELD', 'REQUEST', 'LIMIT', 'FULL', 'LEFT', 'SOME', 'GROWTH', 'KILLS'];

function table(containers: readonly PodContainer[], paint: Paint, columns: number): string {
  const rows = containers.map(cells);
  const widths = HEAD.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const names = containers.map(({ kubernetes: { namespace, pod, uid, container } }) =>
    printable(`${namespace ?? '?'}/${pod ?? uid} ${container ?? '?'}`),
  );
  const others = widths.reduce((sum, width) => sum + width + 2, 0);
  const width = Math.max(20, Math.min(Math.max(...names.map((name) => name.length)), columns - others));
  const line = (name: string, row: readonly string[]) =>
    `${fitted(name, width)}  ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')}`;
  const colour = (share: number, text: string) =>
    share > 0.9 ? paint('red', text) : share > 0.75 ? paint('yellow', text) : text;
  return [
    paint('dim', line('POD CONTAINER', HEAD)),
    ...rows.map((row, i) => colour(full((containers[i] as PodContainer).memory), line(names[i] as string, row))),
  ].join('\n');
}

function cells({ kubernetes, memory }: PodContainer): string[] {
  const { effective_limit: limit, cgroup, growth, counts, pressure } = memory;
  const above = cgroup.slice(0, cgroup.lastIndexOf('/'));
  const whose = limit === null || limit.path === cgroup ? '' : limit.path === above ? ' (pod)' : ' (above)';
  const time = growth?.exhausted_in_seconds == null ? '' : ` ${formatSpan(growth.exhausted_in_seconds)}`;
  const request = kubernetes.container_memory?.request_bytes ?? null;
  return [
    formatBytes(memory.unreclaimable_bytes),
    request === null ? '-' : formatBytes(request),
    limit === null ? 'none' : `${formatBytes(limit.limit_bytes)}${whose}`,
    limit === null ? '-' : formatPercent(full(memory)),
    limit === null ? '-' : formatBytes(limit.left_bytes),
    pressure ? `${pressure.some.avg10} %` : '-',
    growth ? `${formatRate(growth.bytes_per_second)}${time}` : '-',
    String(counts.oom_kills ?? '-'),
  ];
}
