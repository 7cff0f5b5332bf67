/** `[kubernetes]` of the daemon. */
import { hostname } from 'node:os';
import type { KubernetesConfig } from '../config/kubernetes.ts';
import type { Listener } from '../http/listener.ts';
import { findAccess } from '../kubernetes/access.ts';
import { KubernetesAgent } from '../kubernetes/agent.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { Event } from '../model/events.ts';

/**
 * @param tell called with sentences for the log
 * @returns a part of the daemon (src/daemon/features.ts)
 * @throws OomscopeError NO_INPUT, BAD_INPUT, KUBERNETES: there is no way to the API, or the kubeconfig has a fault;
 *   USAGE: the spool cannot be used
 */
export function openKubernetes(config: KubernetesConfig, tell: (sentence: string) => void) {
  const { kubeconfig, context, events, spool, allow_exec: allowExec, node_condition: contentionPercent } = config;
  const agent = new KubernetesAgent({
    ...{ access: findAccess({ kubeconfig, context }), events, allowExec, spool, contentionPercent, tell },
    node: config.node ?? process.env.NODE_NAME ?? hostname(),
  });
  return {
    enrich: (event: Event) => agent.enrich(event),
    factsOf: (owner: CgroupOwner) => agent.pods.factsOf(owner),
    take: (event: Event) => agent.take(event),
    /** What the guard asks about the processes of this node. */
    supervisor: async () => {
      const { NodeGuard } = await import('../kubernetes/node-guard.ts');
      return new NodeGuard({ pods: agent.pods });
    },
    /** Answers /pods at the listener of the metrics, with their protection. */
    serve: async (listener: Listener, access: 'open' | 'token') => {
      const { servePods } = await import('../kubernetes/pods-endpoint.ts');
      servePods(listener, { node: agent.node, pods: agent.pods, access });
    },
    close: () => agent.close(),
  };
}
