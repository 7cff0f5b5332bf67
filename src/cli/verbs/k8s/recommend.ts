import type { WorkloadAdvice } from '../../../kubernetes/workload-advice.ts';
import type { Paint } from '../../../render/paint.ts';
import { formatBytes } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import {
  agentOptions,
  checkAgentOptions,
  nodePodsOptions,
  nodePodsVerb,
  podsHere,
  podsOfCluster,
} from '../../verb/node-pods.ts';
import { byDefault, duration, flag, usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';

const SAMPLE_MS = 1000;
const options = {
  sample: byDefault('1s', duration('TIME', 'measure growth over this time; a leak is told from 10m on')),
  patch: flag('print strategic-merge patches, as YAML for kubectl, instead'),
  vpa: flag(
    'print a VerticalPodAutoscaler for each workload, which only recommends and keeps within the advice, instead',
  ),
  'limit-range': flag('print a LimitRange for each namespace, for containers that name no request or limit, instead'),
  ...agentOptions,
  cluster: flag('advise for the pods of all nodes, or of --node: ask the agents, through the API server'),
  ...nodePodsOptions,
};

export const verb = defineVerb({
  description: [
    'Advises the memory request and limit of each container in the pods on this node, and says why: from the peak, the memory that cannot be reclaimed, limit hits, OOM kills and whose limit they hit, and the time that tasks waited. The heap of a Java, Node or Go program is compared with the limit. Replicas of a workload on this node are advised together. Changes nothing.',
    'It runs on the node, or in the pod of the agent; with --cluster on any machine with a kubeconfig, where it advises the replicas of all nodes together, but sees no heaps and tells no leak. The values count from the start of each container: look again after its busiest hour.',
  ],
  ...nodePodsVerb,
  exits: {
    ...nodePodsVerb.exits,
    unavailable: 'no memory cgroups are mounted, or no agent answers',
    noPermission: 'the agents may not be listed',
  },
  options,
  format: 'document',
  json: 'write a JSON array with an object for each container',
  examples: [
    { command: 'sudo oomscope k8s recommend', about: 'Advise for all pods on this node.' },
    { command: 'sudo oomscope k8s recommend web --namespace shop', about: 'Advise for one workload.' },
    {
      command: 'sudo oomscope k8s recommend --patch > patches.yaml',
      about: 'Write patches, to read and to apply by hand.',
    },
  ],
  run,
});

async function run({ given, words: names, asText, paint }: Context<typeof options>): Promise<number> {
  const forms = ['json', 'patch', 'vpa', 'limit-range'].filter((form) => given[form as keyof typeof given]);
  if (forms.length > 1)
    throw usage(`${forms.map((form) => `--${form}`).join(' and ')}: expected one of them, got ${forms.length}.`);
  const sampleMs = given.sample ?? SAMPLE_MS;
  checkAgentOptions(given);
  const containers = await (given.cluster ? podsOfCluster : podsHere)(given, names, sampleMs);
  const [{ adviseWorkloads }, { heapProcesses }, objects, { writeYamlStream }, { Cgroupfs }, { containerAge }] =
    await Promise.all([
      import('../../../kubernetes/workload-advice.ts'),
      import('../../../kubernetes/heap-process.ts'),
      import('../../../kubernetes/advice-objects.ts'),
      import('../../../kubernetes/yaml-write.ts'),
      import('../../../linux/cgroupfs.ts'),
      import('../../../kubernetes/container-age.ts'),
    ]);
  const cgroups = given.cluster ? undefined : Cgroupfs.find();
  const ages = new Map(containers.map(({ memory, age_seconds }) => [memory.cgroup, age_seconds ?? null]));
  const ageSeconds = (path: string) => (cgroups ? containerAge(cgroups, path) : (ages.get(path) ?? null));
  const processes = (path: string) => (cgroups ? heapProcesses(cgroups, path) : []);
  const advised = adviseWorkloads(containers, sampleMs / 1000, { ageSeconds, processes });
  const written = given.patch
    ? objects.patches(advised)
    : given.vpa
      ? objects.verticalPodAutoscalers(advised)
      : given['limit-range'] && objects.limitRanges(advised);
  if (written) process.stdout.write(writeYamlStream(written));
  else if (!asText) process.stdout.write(`${JSON.stringify(advised, null, 2)}\n`);
  else if (advised.length > 0) process.stdout.write(`${advised.map((one) => render(one, paint)).join('\n\n')}\n`);
  if (advised.length === 0)
    tell(given.cluster ? 'No pod runs on these nodes.' : 'No pod runs on this node. --cluster asks all nodes.');
  return Exit.ok;
}

function render(
  { namespace, workload, pod, container, replicas, observed, advice, heap }: WorkloadAdvice,
  paint: Paint,
): string {
  const owner = workload ? `${workload.kind} ${workload.name}` : `Pod ${pod ?? '?'}`;
  const head = `${namespace ?? '?'}/${owner} ${container ?? '?'}${replicas > 1 ? `, ${replicas} replicas` : ''}`;
  const sure = advice.confidence === 'low' ? ', not certain' : '';
  const change = {
    none: 'keep the limit',
    leak: paint('red', 'it leaks: no limit is enough'),
    container: paint('yellow', `limit ${sizeOf(observed.limitBytes)} → ${sizeOf(advice.limit_bytes)}`),
    pod: paint('yellow', `limit of the pod ${sizeOf(observed.podLimitBytes)} → ${sizeOf(advice.pod_limit_bytes)}`),
  }[advice.scope];
  const request = `request ${sizeOf(observed.requestBytes)} → ${sizeOf(advice.request_bytes)}`;
  return [
    `${paint('bold', printable(head))}  ${change}, ${request}${sure}`,
    ...advice.reasons.map((reason) => `  ${reason}`),
    ...(heap ? [`  ${printable(heap.advice)}`] : []),
  ].join('\n');
}

const sizeOf = (bytes: number | null) => (bytes === null ? 'none' : formatBytes(bytes));
