import type { PodContainer } from '../../kubernetes/node-containers.ts';
import { OomscopeError } from '../../model/error.ts';
import { globMatch } from '../../text/glob.ts';
import { clusterOptions, type GivenCluster, openCluster } from './cluster-option.ts';
import { byDefault, text } from './options.ts';
import { tell } from './tell.ts';

export const nodePodsOptions = {
  namespace: text('NAME', 'only pods of this namespace; default: all namespaces'),
  node: byDefault('NODE_NAME, else the name of this host', text('NAME', 'the name of this node in Kubernetes')),
  ...clusterOptions,
};

/** The arguments and exit codes of a verb about the pods on this node. */
export const nodePodsVerb = {
  words: { name: 'NAME', about: 'the name of a pod or of a workload, or a pattern with * and ?' },
  exits: {
    ok: true,
    failed: 'there is no such pod on this node',
    usage: true,
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
  const all = await podContainers({ pods: await listed(given), sampleMs });
  const inNamespace = all.filter(
    ({ kubernetes }) => given.namespace === undefined || kubernetes.namespace === given.namespace,
  );
  if (names.length === 0) return inNamespace;
  const chosen = inNamespace.filter(({ kubernetes: { pod, workload, uid } }) =>
    [pod, workload?.name, uid].some((name) => name != null && names.some((glob) => globMatch(glob, name))),
  );
  if (chosen.length > 0) return chosen;
  const known = [...new Set(inNamespace.map(({ kubernetes: { pod, uid } }) => pod ?? uid))].slice(0, 20).join(', ');
  throw new OomscopeError(
    'NO_CONTAINER',
    `No pod on this node has such a name. ${known === '' ? 'No pod runs here.' : `Here run: ${known}.`}`,
  );
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
    tell(`Requests, limits and workloads are not known: ${(error as Error).message.replace(/\.?$/, '.')}`);
    return undefined;
  }
}
