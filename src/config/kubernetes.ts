/** `[kubernetes]`: which pod an event is about, and Events on this pod. */
import { field, optional, table, text, whole, yesOrNo } from './shape.ts';

/** The checked values of `[kubernetes]`. */
export interface KubernetesConfig {
  enabled: boolean;
  node: string | undefined;
  events: boolean;
  spool: string | undefined;
  kubeconfig: string | undefined;
  context: string | undefined;
  allow_exec: boolean;
  node_condition: number | undefined;
}

export const kubernetesShape = table({
  enabled: field(yesOrNo, true, 'name the pod and the container of each event'),
  node: optional(
    text,
    'name of this node in Kubernetes; default: the environment variable NODE_NAME, else the name of the host',
  ),
  events: field(
    yesOrNo,
    true,
    'write an Event on the pod of each OOM kill, and on the node if the whole node is out of memory',
  ),
  spool: optional(text, 'keep Events that the API has not taken in this directory, also across restarts'),
  kubeconfig: optional(
    text,
    'a kubeconfig; default: KUBECONFIG, else the service account of the pod, else ~/.kube/config',
  ),
  context: optional(text, 'the context of the kubeconfig; default: its current-context'),
  node_condition: optional(
    whole(1, 100),
    'set the condition MemoryContention of the node from this share of time on in which no task could run for lack of memory, in percent of 10 s and of 60 s; without this setting the node is not changed',
  ),
  allow_exec: field(yesOrNo, false, 'run the program that the kubeconfig names for credentials'),
});
