import type { KubernetesClient } from './client.ts';
import { items, record, text } from './foreign.ts';
import { type KnownPod, readPod } from './pod-facts.ts';

/** A list for 250 pods has some 300,000 values; a node with 1,000 pods is beyond any support. */
const MOST_VALUES = 4_000_000;
const MOST_BYTES = 128 * 2 ** 20;

export interface PodList {
  pods: KnownPod[];
  /** The version of the list, from which a watch goes on. undefined: the server named none. */
  version: string | undefined;
}

/** Lists the pods of one node. @throws ApiError */
export async function listPods(client: KubernetesClient, node: string, signal?: AbortSignal): Promise<PodList> {
  const pods: KnownPod[] = [];
  let version: string | undefined;
  let more = 'resourceVersion=0'; // any version that the server has in memory
  do {
    const query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}&${more}`;
    const limits = { timeoutMs: 60_000, mostBytes: MOST_BYTES, mostValues: MOST_VALUES };
    const list = await client.request(`/api/v1/pods?${query}`, { ...limits, signal });
    for (const item of items(list.items)) {
      const pod = readPod(item);
      if (pod) pods.push(pod);
    }
    const meta = record(list.metadata);
    version = text(meta.resourceVersion) ?? undefined;
    const next = text(meta.continue);
    more = next === null ? '' : `continue=${encodeURIComponent(next)}`;
  } while (more !== '');
  return { pods, version };
}
