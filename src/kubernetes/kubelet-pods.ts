/**
 * The memory of the pods of a cluster without any agent: each kubelet is asked for its summary (/stats/summary) through the API
 * server, and the pods say which requests and limits they have. The user needs the rights to list nodes and pods, and to `get`
 * nodes/proxy.
 */
import type { KubernetesFacts } from '../model/kubernetes.ts';
import type { PressureAverages } from '../model/oom-kill.ts';
import { ApiError, type KubernetesClient } from './client.ts';
import { asked, refusalOf } from './failure.ts';
import { items, number, record, text } from './foreign.ts';
import { fromNodes } from './from-nodes.ts';
import type { EffectiveLimit } from './node-containers.ts';
import { factsOf, type KnownPod } from './pod-facts.ts';
import { listPods } from './pod-list.ts';

/** A container as the summary of its kubelet shows it. The kubelet measures each 10 to 15 s. */
export interface KubeletContainer {
  kubernetes: KubernetesFacts;
  memory: {
    source: 'kubelet';
    /** When the kubelet measured it: RFC 3339. null: unknown. */
    measured_at: string | null;
    /** All memory that is charged to the container. null: unknown. */
    usage_bytes: number | null;
    /** Usage without inactive file pages. */
    working_set_bytes: number;
    /** The limit of the container or of its pod that will be hit first, from the manifest. null: none. */
    effective_limit: EffectiveLimit | null;
    /** PSI, from Kubernetes 1.34 on. null: the kubelet does not tell it. */
    pressure: Record<'some' | 'full', Omit<PressureAverages, 'total_ns'>> | null;
  };
}

export interface KubeletAnswers {
  containers: KubeletContainer[];
  /** A sentence for each node whose kubelet did not answer. */
  problems: string[];
}

const LIMITS = { timeoutMs: 30_000, mostBytes: 64 * 2 ** 20, mostValues: 2_000_000 };

/** @param node only this node; undefined: all @throws OomscopeError KUBERNETES, NOT_PERMITTED: no node can be asked */
export async function podsOfKubelets(client: KubernetesClient, node: string | undefined): Promise<KubeletAnswers> {
  const names = node === undefined ? await nodeNames(client) : [node];
  let refusal: ApiError | undefined;
  const answers = await fromNodes(
    names.map((name) => ({ node: name })),
    async ({ node: name }) => {
      try {
        return await podsOf(client, name);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        refusal = error;
        return refusalOf(error);
      }
    },
  );
  if (refusal && answers.problems.length === names.length) await asked('ask the kubelets', Promise.reject(refusal));
  return answers;
}

async function nodeNames(client: KubernetesClient): Promise<string[]> {
  const list = await asked('list the nodes', client.request('/api/v1/nodes?resourceVersion=0', LIMITS));
  return items(list.items).flatMap((each) => text(record(record(each).metadata).name) ?? []);
}

async function podsOf(client: KubernetesClient, node: string): Promise<KubeletContainer[]> {
  const path = `/api/v1/nodes/${encodeURIComponent(node)}/proxy/stats/summary`;
  const [summary, { pods }] = await Promise.all([client.request(path, LIMITS), listPods(client, node)]);
  const known = new Map(pods.map((pod) => [pod.uid, pod]));
  return items(summary.pods).flatMap((each) => {
    const { podRef, containers, memory } = record(each);
    // The kubelet names a static pod by the hash of its file, as its cgroup does.
    const uid = text(record(podRef).uid) ?? '';
    const pod = known.get(uid) ?? pods.find(({ cgroupUid }) => cgroupUid === uid);
    if (!pod) return []; // it was deleted meanwhile
    const ofPod = number(record(memory).workingSetBytes);
    return items(containers).flatMap((container) => containerOf(record(container), pod, ofPod) ?? []);
  });
}

function containerOf(
  { name, memory }: Record<string, unknown>,
  pod: KnownPod,
  podUsageBytes: number | null,
): KubeletContainer | undefined {
  const { time, usageBytes, workingSetBytes, psi } = record(memory);
  const used = number(workingSetBytes);
  const named = text(name);
  if (named === null || used === null) return undefined; // it has ended
  const facts = factsOf(pod, null, named);
  return {
    kubernetes: facts,
    memory: {
      ...{ source: 'kubelet', measured_at: text(time), usage_bytes: number(usageBytes), working_set_bytes: used },
      effective_limit: limitOf(facts, used, podUsageBytes),
      pressure: pressureOf(record(psi)),
    },
  };
}

function limitOf(
  { container_memory: own, pod_memory: pod }: KubernetesFacts,
  usedBytes: number,
  podUsedBytes: number | null,
): EffectiveLimit | null {
  const limit = (of: EffectiveLimit['of'], bytes: number | null | undefined, used: number | null) =>
    bytes == null || used === null ? [] : [{ of, limit_bytes: bytes, left_bytes: Math.max(0, bytes - used) }];
  const limits = [
    ...limit('container', own?.limit_bytes, usedBytes),
    ...limit('pod', pod?.limit_bytes, podUsedBytes),
  ].sort((a, b) => a.left_bytes - b.left_bytes);
  return limits[0] ?? null;
}

function pressureOf(psi: Record<string, unknown>): KubeletContainer['memory']['pressure'] {
  const averages = (kind: 'some' | 'full') => {
    const [avg10, avg60, avg300] = ['avg10', 'avg60', 'avg300'].map((name) => number(record(psi[kind])[name]));
    return avg10 == null || avg60 == null || avg300 == null ? undefined : { avg10, avg60, avg300 };
  };
  const [some, full] = [averages('some'), averages('full')];
  return some && full ? { some, full } : null;
}
