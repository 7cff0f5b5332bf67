/** What oomscope may do in a cluster, and what a node is set to. For `oomscope k8s check`. */
import type { KubernetesClient } from './client.ts';
import { ApiError } from './client.ts';
import { items, record, text } from './foreign.ts';
import { agentRights } from './rights.ts';

/** `missing`: a part of oomscope does not work. `warning`: OOM kills will be hidden, or worse than they need be. */
export type CheckState = 'ok' | 'info' | 'unknown' | 'warning' | 'missing';

export interface Check {
  name: string;
  state: CheckState;
  found: string;
  /** What it means, and what to do. null: nothing. */
  meaning: string | null;
}

/** Asks the server about itself, about the rights of this user, and about the pods of the node. */
export async function checkCluster(client: KubernetesClient, node: string): Promise<Check[]> {
  const { from, server } = client.access;
  try {
    const version = await client.request('/version');
    const release = text(version.gitVersion) ?? 'an unknown version';
    const reached: Check = {
      name: 'api',
      state: 'ok',
      found: `${server.host} answers, ${release} (${from})`,
      meaning: null,
    };
    return [reached, ...(await checkRights(client)), await checkPods(client, node)];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const meaning = 'Names of pods come from files on the node, and no Event is written.';
    return [{ name: 'api', state: 'missing', found: `${error.message} (${from})`, meaning }];
  }
}

/** Any authenticated user may ask what it may do (SelfSubjectAccessReview, role system:basic-user). */
async function checkRights(client: KubernetesClient): Promise<Check[]> {
  const checks: Check[] = [];
  for (const { apiGroup, resource: path, verbs, without, only } of agentRights) {
    const [resource = '', subresource] = path.split('/');
    for (const verb of verbs) {
      const name = `${verb} ${apiGroup === '' ? path : `${path}.${apiGroup}`}`;
      const answer = await mayI(client, { group: apiGroup, resource, subresource, verb }).catch(
        (error: Error) => error,
      );
      if (answer === true) checks.push({ name, state: 'ok', found: 'permitted in all namespaces', meaning: null });
      else if (answer === false)
        checks.push({
          name,
          state: only === 'nodeCondition' ? 'info' : 'missing',
          found: 'not permitted',
          meaning: `Without it ${without}.`,
        });
      else checks.push({ name, state: 'unknown', found: answer.message, meaning: null });
    }
  }
  return checks;
}

async function mayI(client: KubernetesClient, resourceAttributes: object): Promise<boolean> {
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
  const review = await client.request('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
    method: 'POST',
    body,
  });
  return record(review.status).allowed === true;
}

async function checkPods(client: KubernetesClient, node: string): Promise<Check> {
  const query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}&limit=500`;
  try {
    const pods = items((await client.request(`/api/v1/pods?${query}`)).items).length;
    if (pods > 0) return { name: 'node', state: 'ok', found: `${pods} pods on the node ${node}`, meaning: null };
    const meaning =
      'If the node has another name in Kubernetes, give it: --node, NODE_NAME, or `node` in [kubernetes].';
    return { name: 'node', state: 'warning', found: `no pod on a node named ${node}`, meaning };
  } catch (error) {
    return { name: 'node', state: 'unknown', found: (error as Error).message, meaning: null };
  }
}
