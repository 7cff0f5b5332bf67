import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import type { PodContainer } from '../../kubernetes/node-containers.ts';
import type { KnownPod } from '../../kubernetes/pod-facts.ts';
import type { TopContainer } from '../../kubernetes/top-row.ts';
import { OomscopeError } from '../../model/error.ts';
import { globMatch } from '../../text/glob.ts';
import { clusterOptions, connectionTeller, type GivenCluster, openCluster } from './cluster-option.ts';
import { byDefault, flag, text, usage } from './options.ts';
import { tell } from './tell.ts';

export const nodePodsOptions = {
  namespace: text('NAME', 'only pods of this namespace; default: all namespaces'),
  node: byDefault('NODE_NAME, else the name of this host', text('NAME', 'the name of this node in Kubernetes')),
  ...clusterOptions,
};

/** As src/kubernetes/pods-endpoint.ts has it, which is not loaded for a check of options (ms). */
const MOST_AGENT_SAMPLE_MS = 10_000;
/** Where `oomscope k8s manifest` puts the agents. */
const AGENT_NAMESPACE = 'oomscope';
/** Kubelets measure each 10 to 15 s, and answer without waiting (ms). */
const KUBELET_MS = 10_000;

export const agentOptions = {
  cluster: flag(
    'show the pods of all nodes, or of --node: ask the agents, or without any the kubelets, through the API server',
  ),
  'agent-namespace': byDefault(AGENT_NAMESPACE, text('NAME', 'with --cluster: the namespace of the agents')),
};

/** The arguments and exit codes of a verb about the pods on this node. */
export const nodePodsVerb = {
  words: { name: 'NAME', about: 'the name of a pod or of a workload, or a pattern with * and ?' },
  exits: {
    ok: true,
    failed: 'there is no such pod',
    usage: true,
    noInput: 'the kubeconfig cannot be read',
    badInput: 'the kubeconfig has a fault',
    unavailable: 'no memory cgroups are mounted',
  },
} as const;

export interface GivenPods extends GivenCluster {
  namespace: string | undefined;
  node: string | undefined;
}

/**
 * The containers of the pods on this node. If the API does not answer, that is told, and names come from the node.
 *
 * @param names globs of pods or of workloads; empty: all
 * @param sampleMs the time over which growth is measured
 * @throws OomscopeError NO_CGROUPS; NO_CONTAINER: none of the pods has such a name
 */
export async function podsHere(given: GivenPods, names: readonly string[], sampleMs: number): Promise<PodContainer[]> {
  const { podContainers } = await import('../../kubernetes/node-containers.ts');
  return chosen(await podContainers({ pods: await listed(given), sampleMs }), given, names);
}

/** @throws OomscopeError USAGE: an option for --cluster was given without it, or a sample that agents do not take */
export function checkAgentOptions(given: {
  cluster: boolean | undefined;
  'agent-namespace': string | undefined;
  sample?: number | undefined;
}): void {
  if (given.cluster && (given.sample ?? 0) > MOST_AGENT_SAMPLE_MS)
    throw usage(
      `--sample: expected at most ${MOST_AGENT_SAMPLE_MS / 1000}s with --cluster, because agents sample no longer.`,
    );
  if (given['agent-namespace'] !== undefined && !given.cluster)
    throw usage('--agent-namespace: expected --cluster with it, because only then agents are asked.');
}

/** The same again and again: the pods of the node are followed by a watch, and never listed for each sample. */
export async function followPodsHere(given: GivenPods, names: readonly string[]) {
  const { podContainers } = await import('../../kubernetes/node-containers.ts');
  const followed = await following(given);
  const choose = chooser<PodContainer>(given, names);
  return {
    /** @throws OomscopeError NO_CGROUPS; NO_CONTAINER: none of the pods has such a name at the first call */
    async sample(sampleMs: number): Promise<PodContainer[]> {
      return choose(await podContainers({ pods: followed?.pods(), sampleMs }));
    },
    close: () => followed?.close(),
  };
}

/**
 * As followPodsHere(), but of all nodes, or of one: the agents are asked through the API server, and where there is none, the
 * kubelets.
 */
export async function followPodsOfAgents(
  given: GivenPods & { 'agent-namespace': string | undefined },
  names: readonly string[],
) {
  const { podsOfAgents } = await import('../../kubernetes/agent-pods.ts');
  const client = await openCluster(given);
  const told = new Set<string>();
  const tellOnce = (sentence: string) => {
    if (!told.has(sentence)) tell(sentence);
    told.add(sentence);
  };
  const choose = chooser<TopContainer>(given, names);
  let ofKubeletsBefore = false;
  return {
    /** @throws OomscopeError KUBERNETES, NOT_PERMITTED: neither an agent nor a kubelet answers; NO_CONTAINER as in followPodsHere() */
    async sample(sampleMs: number): Promise<TopContainer[]> {
      if (ofKubeletsBefore) await sleep(Math.max(sampleMs, KUBELET_MS), undefined, { ref: false });
      const namespace = given['agent-namespace'] ?? AGENT_NAMESPACE;
      const answers = await podsOfAgents(client, { namespace, node: given.node, sampleMs });
      ofKubeletsBefore = 'none' in answers;
      const { containers, problems } = 'none' in answers ? await ofKubelets(client, given.node, answers.none) : answers;
      problems.forEach(tellOnce);
      return choose(containers);
    },
    close: () => client.close(),
  };
}

/** The same once, and only from agents. @throws OomscopeError KUBERNETES, NOT_PERMITTED: no agent answers; NO_CONTAINER */
export async function podsOfCluster(
  given: GivenPods & { 'agent-namespace': string | undefined },
  names: readonly string[],
  sampleMs: number,
): Promise<PodContainer[]> {
  const { podsOfAgents } = await import('../../kubernetes/agent-pods.ts');
  const client = await openCluster(given);
  try {
    const namespace = given['agent-namespace'] ?? AGENT_NAMESPACE;
    const answers = await podsOfAgents(client, { namespace, node: given.node, sampleMs });
    if ('none' in answers) throw new OomscopeError('KUBERNETES', answers.none);
    for (const problem of answers.problems) tell(problem);
    return chosen(answers.containers, given, names);
  } finally {
    client.close();
  }
}

/** @param none why no agent was asked @throws OomscopeError KUBERNETES, NOT_PERMITTED */
async function ofKubelets(client: KubernetesClient, node: string | undefined, none: string) {
  const { podsOfKubelets } = await import('../../kubernetes/kubelet-pods.ts');
  const { containers, problems } = await podsOfKubelets(client, node).catch((error) => {
    throw error instanceof OomscopeError ? new OomscopeError(error.code, `${none} ${error.message}`) : error;
  });
  const about = 'So the figures are those of the kubelets, up to 15 s old and without growth and kills.';
  return { containers, problems: [`${none} ${about}`, ...problems] };
}

/** Chooses from each sample. Only at the first one must a name be that of a pod: later, a pod may have ended. */
function chooser<T extends TopContainer>(given: GivenPods, names: readonly string[]) {
  let isFirst = true;
  return (all: readonly T[]): T[] => {
    const found = isFirst ? chosen(all, given, names) : matching(all, given, names);
    isFirst = false;
    return found;
  };
}

function matching<T extends TopContainer>(all: readonly T[], { namespace }: GivenPods, names: readonly string[]): T[] {
  return all
    .filter(({ kubernetes }) => namespace === undefined || kubernetes.namespace === namespace)
    .filter(
      ({ kubernetes: { pod, workload, uid } }) =>
        names.length === 0 ||
        [pod, workload?.name, uid].some((name) => name != null && names.some((glob) => globMatch(glob, name))),
    );
}

function chosen<T extends TopContainer>(all: readonly T[], given: GivenPods, names: readonly string[]): T[] {
  const found = matching(all, given, names);
  if (found.length > 0 || names.length === 0) return found;
  const inNamespace = matching(all, given, []);
  const known = [...new Set(inNamespace.map(({ kubernetes: { pod, uid } }) => pod ?? uid))].slice(0, 20).join(', ');
  throw new OomscopeError(
    'NO_CONTAINER',
    `No pod has such a name. ${known === '' ? 'No pod runs here.' : `Here run: ${known}.`}`,
  );
}

async function following(given: GivenPods): Promise<{ pods: () => KnownPod[]; close: () => void } | undefined> {
  const [{ PodWatch }, { PodDirectory }, { hostname }] = await Promise.all([
    import('../../kubernetes/pod-watch.ts'),
    import('../../kubernetes/pod-directory.ts'),
    import('node:os'),
  ]);
  try {
    const client = await openCluster(given);
    const directory = new PodDirectory();
    const node = given.node ?? process.env.NODE_NAME ?? hostname();
    const onTrouble = connectionTeller(tellUnknown);
    const watch = new PodWatch({ client, directory, node, onTrouble });
    await watch.ready;
    const close = () => {
      watch[Symbol.dispose]();
      client.close();
    };
    return { pods: () => [...directory], close };
  } catch (error) {
    if (given.kubeconfig !== undefined && error instanceof OomscopeError) throw error;
    tellUnknown((error as Error).message);
    return undefined;
  }
}

async function listed(given: GivenPods) {
  const [{ listPods }, { hostname }] = await Promise.all([import('../../kubernetes/pod-list.ts'), import('node:os')]);
  try {
    const client = await openCluster(given);
    try {
      return (await listPods(client, given.node ?? process.env.NODE_NAME ?? hostname())).pods;
    } finally {
      client.close();
    }
  } catch (error) {
    if (given.kubeconfig !== undefined && error instanceof OomscopeError) throw error;
    tellUnknown((error as Error).message);
    return undefined;
  }
}

const tellUnknown = (why: string) => tell(`Requests, limits and workloads are not known: ${why.replace(/\.?$/, '.')}`);
