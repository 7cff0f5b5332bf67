import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import {
  agentOptions,
  checkAgentOptions,
  followPodsOfAgents,
  nodePodsOptions,
  nodePodsVerb,
  podsHere,
} from '../../verb/node-pods.ts';
import { byDefault, duration, flag } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

const options = {
  sample: byDefault('1s', duration('TIME', 'measure growth over this time')),
  watch: flag('show a live view, or without a terminal a JSON array for each sample'),
  ...agentOptions,
  ...nodePodsOptions,
};

export const verb = defineVerb({
  description: [
    'Shows the memory of each container in the pods on this node, the one in most danger first. Needs no metrics-server.',
    'It runs on the node, or in the pod of the agent. Without the API, names come from files on the node, and requests are not known.',
    'With --cluster it runs on any machine with a kubeconfig: it asks the agent of each node, for which the user needs the rights to list pods and to get pods/proxy in their namespace. If there is no agent, it asks the kubelets, for which the user needs the rights to list nodes and pods and to get nodes/proxy.',
  ],
  ...nodePodsVerb,
  exits: {
    ...nodePodsVerb.exits,
    unavailable: 'no memory cgroups are mounted, or neither an agent nor a kubelet answers',
    noPermission: 'the agents may not be listed, or the kubelets not be asked',
  },
  options,
  format: 'document',
  json: 'write a JSON array with an object for each container; with --watch, one on a line for each sample',
  sections: [
    {
      title: 'Columns',
      rows: [
        [
          'HELD',
          'memory that cannot be reclaimed; from a kubelet the working set, which includes pages of files in use',
        ],
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
    { command: 'oomscope k8s top --cluster --namespace shop', about: 'Show the pods of all nodes, from any machine.' },
    { command: 'sudo oomscope k8s top --watch', about: 'Show a live view; q quits.' },
    { command: 'sudo oomscope k8s top --sample 10s', about: 'Measure growth over ten seconds.' },
  ],
  run,
});

async function run({ given, words: names, asText, paint }: Context<typeof options>): Promise<number> {
  checkAgentOptions(given);
  const sampleMs = given.sample ?? 1000;
  if (given.watch) {
    const { watchTop } = await import('./top-watch.ts');
    return watchTop(given, names, { sampleMs, asText, paint });
  }
  const [containers, { byDanger, table }] = await Promise.all([
    given.cluster ? podsOfAgents(given, names, sampleMs) : podsHere(given, names, sampleMs),
    import('./top-view.ts'),
  ]);
  const sorted = containers.sort(byDanger);
  if (!asText) process.stdout.write(`${JSON.stringify(sorted, null, 2)}\n`);
  else if (sorted.length > 0)
    process.stdout.write(`${table(sorted, paint, terminalColumns(process.stdout, 200)).join('\n')}\n`);
  else tell(given.cluster ? 'No pod runs on these nodes.' : 'No pod runs on this node. --cluster asks all nodes.');
  return Exit.ok;
}

async function podsOfAgents(given: Context<typeof options>['given'], names: readonly string[], sampleMs: number) {
  const pods = await followPodsOfAgents(given, names);
  try {
    return await pods.sample(sampleMs);
  } finally {
    pods.close();
  }
}
