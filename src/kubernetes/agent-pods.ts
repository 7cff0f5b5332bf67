/**
 * Asks the agents of a cluster for the memory of their pods, through the API server: so a user with a kubeconfig needs no
 * way to the nodes, only the right to `get` pods/proxy in the namespace of the agents.
 */
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';
import { ApiError, type KubernetesClient } from './client.ts';
import { asked, refusalOf } from './failure.ts';
import { items, number, record, text } from './foreign.ts';
import { fromNodes } from './from-nodes.ts';
import type { PodContainer } from './node-containers.ts';

export interface AgentQuery {
  /** The namespace of the agents. Pods of other namespaces could pretend to be agents. */
  namespace: string;
  /** Only the agent of this node; undefined: all. */
  node: string | undefined;
  sampleMs: number;
}

export interface AgentAnswers {
  containers: PodContainer[];
  /** A sentence for each node whose agent did not answer. */
  problems: string[];
}

const SELECTOR = 'app.kubernetes.io/name=oomscope,app.kubernetes.io/component=agent';
const MOST_BYTES = 64 * 2 ** 20;
const MOST_VALUES = 1_000_000;

interface Agent {
  name: string;
  node: string;
  port: number;
  /** Why it is not asked; null: it runs. */
  problem: string | null;
}

/**
 * @returns the answers, or a sentence that says that there is no agent
 * @throws OomscopeError KUBERNETES, NOT_PERMITTED: the agents cannot be listed, or none answers
 */
export async function podsOfAgents(
  client: KubernetesClient,
  query: AgentQuery,
): Promise<AgentAnswers | { none: string }> {
  const agents = await agentsIn(client, query);
  if (agents.every(({ problem }) => problem !== null)) return { none: noAgent(query) };
  const answers = await fromNodes(agents, async (agent) => agent.problem ?? (await ask(client, query, agent)));
  const { problems } = answers;
  if (problems.length === agents.length) throw new OomscopeError('KUBERNETES', problems.slice(0, 3).join(' '));
  return answers;
}

async function agentsIn(client: KubernetesClient, { namespace, node }: AgentQuery): Promise<Agent[]> {
  const selectors = new URLSearchParams({
    labelSelector: SELECTOR,
    ...(node !== undefined && { fieldSelector: `spec.nodeName=${node}` }),
  });
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?${selectors}`;
  const list = await asked('list the agents', client.request(path, { mostBytes: MOST_BYTES, mostValues: 4_000_000 }));
  return items(list.items).flatMap((pod) => agentOf(pod) ?? []);
}

function noAgent({ namespace, node }: AgentQuery): string {
  const where = node === undefined ? '' : ` on the node ${printable(node)}`;
  return `No agent of oomscope runs in the namespace ${printable(namespace)}${where}: apply \`oomscope k8s manifest\`, or name its namespace with --agent-namespace.`;
}

function agentOf(pod: unknown): Agent | undefined {
  const { metadata, spec, status } = record(pod);
  const [name, node, phase] = [text(record(metadata).name), text(record(spec).nodeName), text(record(status).phase)];
  const ports = items(record(spec).containers)
    .flatMap((container) => items(record(container).ports))
    .map(record);
  const port = number(ports.find((each) => each.name === 'http')?.containerPort);
  if (name === null || node === null || port === null) return undefined;
  return {
    name,
    ...{ node, port },
    problem: phase === 'Running' ? null : `its agent is not running, but ${printable(phase ?? 'unknown')}.`,
  };
}

/** @returns the containers, or a sentence that says why there are none */
async function ask(
  client: KubernetesClient,
  { namespace, sampleMs }: AgentQuery,
  { name, port }: Agent,
): Promise<PodContainer[] | string> {
  // "http:POD:PORT" names the protocol. A port of a pod must be a number here; only those of services may be names.
  const proxy = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/http:${encodeURIComponent(name)}:${port}/proxy`;
  try {
    const limits = { timeoutMs: 15_000 + sampleMs, mostBytes: MOST_BYTES, mostValues: MOST_VALUES };
    const answer = await client.request(`${proxy}/pods?sample_ms=${sampleMs}`, limits);
    return items(answer.containers).filter(isPodContainer);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404)
      return 'its agent does not serve /pods: it is older, or has no [metrics] or [kubernetes].';
    if (error.status === 401) return 'its agent asks for a token, which the API server does not pass on.';
    return refusalOf(error);
  }
}

/** Whether an answer has what the table and the advice need. */
function isPodContainer(value: unknown): value is PodContainer {
  const { kubernetes, memory, pod_limit_bytes, pod_ooms, pod_limit_hits, age_seconds } = record(value);
  const { cgroup, counts, effective_limit: limit, unreclaimable_bytes: held, working_set_bytes: set } = record(memory);
  const { pressure, growth, limit_bytes, peak_bytes } = record(memory);
  const some = record(record(pressure).some);
  const ofContainer = record(record(kubernetes).container_memory);
  const missingOrNumbers = [
    ...[
      record(counts).oom_kills,
      record(counts).ooms,
      record(counts).limit_hits,
      some.avg10,
      some.avg300,
      limit_bytes,
      peak_bytes,
    ],
    ...[record(growth).bytes_per_second, record(growth).exhausted_in_seconds, age_seconds],
    ...[pod_limit_bytes, pod_ooms, pod_limit_hits],
    ...[ofContainer.request_bytes, ofContainer.limit_bytes],
  ];
  const isLimit =
    limit === null || [record(limit).limit_bytes, record(limit).left_bytes].every((n) => number(n) !== null);
  return (
    text(record(kubernetes).uid) !== null &&
    text(cgroup) !== null &&
    typeof counts === 'object' &&
    counts !== null &&
    missingOrNumbers.every((n) => n === undefined || n === null || number(n) !== null) &&
    number(held) !== null &&
    number(set) !== null &&
    isLimit
  );
}
