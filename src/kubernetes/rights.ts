/** The rights in the cluster that the agent uses. The ClusterRole of the manifest and `k8s check` follow this table. */

export interface AgentRight {
  /** Empty: the core group. */
  apiGroup: string;
  resource: string;
  verbs: readonly string[];
  /** What does not work without it, as a clause. */
  without: string;
  /** The setting of `[kubernetes]` that needs it. undefined: the agent always needs it. */
  only?: 'events' | 'nodeCondition';
}

export const agentRights: readonly AgentRight[] = [
  {
    ...{ apiGroup: '', resource: 'pods', verbs: ['list', 'watch'] },
    without: 'workload, requests and limits are unknown, and names come only from files on the node',
  },
  {
    ...{ apiGroup: 'events.k8s.io', resource: 'events', verbs: ['create', 'patch'] },
    only: 'events',
    without: 'no Event tells of a kill on its pod',
  },
  {
    ...{ apiGroup: '', resource: 'nodes/status', verbs: ['patch'] },
    only: 'nodeCondition',
    without: '`node_condition` in [kubernetes] has no effect',
  },
];

/**
 * The rule that a role lacks, from what the server says of a refusal: RBAC names the verb, the resource and the API group
 * (plugin/pkg/auth/authorizer/rbac/rbac.go and apiserver/pkg/endpoints/handlers/responsewriters/errors.go).
 *
 * @returns a rule as YAML on one line; undefined: the message has another form
 */
export function missingRule(message: string): string | undefined {
  const said = /cannot ([a-z]+) resource "([a-z][a-z./-]*)" in API group "([a-z0-9.-]*)"/.exec(message);
  if (!said) return undefined;
  const [, verb = '', resource = '', group = ''] = said;
  return `{apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"]}`;
}
