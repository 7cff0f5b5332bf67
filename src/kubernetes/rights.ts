/** The rights in the cluster that the agent uses. The ClusterRole of the manifest and `k8s check` follow this table. */

export interface AgentRight {
  /** Empty: the core group. */
  apiGroup: string;
  resource: string;
  verbs: readonly string[];
  /** What does not work without it, as a clause. */
  without: string;
  /** It is needed only to write Events. */
  forEvents: boolean;
}

export const agentRights: readonly AgentRight[] = [
  {
    ...{ apiGroup: '', resource: 'pods', verbs: ['list', 'watch'], forEvents: false },
    without: 'workload, requests and limits are unknown, and names come only from files on the node',
  },
  {
    ...{ apiGroup: 'events.k8s.io', resource: 'events', verbs: ['create', 'patch'], forEvents: true },
    without: 'no Event tells of a kill on its pod',
  },
];
