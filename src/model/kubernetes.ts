/** What Kubernetes says about the container of an event. */

/** An object that owns a pod. */
export interface KubernetesOwner {
  /** The kind: "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job" or another. */
  kind: string;
  /** The name, in the namespace of the pod. */
  name: string;
}

/** The memory that a manifest asks for. */
export interface KubernetesMemory {
  /** `resources.requests.memory`. null: none, or unknown. */
  request_bytes: number | null;
  /** `resources.limits.memory`. null: none, or unknown. */
  limit_bytes: number | null;
}

/**
 * The pod and the container of an event, as the Kubernetes API describes them. Without the API, the names and the
 * class come from files on the node, and all other fields are null or empty.
 */
export interface KubernetesFacts {
  /** `api`: the Kubernetes API. `node`: files on the node and the path of the cgroup. */
  source: 'api' | 'node';
  /** The namespace. null: unknown. */
  namespace: string | null;
  /** The name of the pod. null: unknown. */
  pod: string | null;
  /** The uid of the pod. */
  uid: string;
  /** The name of the container in the manifest. null: unknown, or the event is about the whole pod. */
  container: string | null;
  /**
   * Its kind. `sidecar`: an init container with `restartPolicy: Always`, which runs as long as the pod. null: unknown, or
   * the event is about the whole pod.
   */
  container_kind: 'main' | 'init' | 'sidecar' | 'ephemeral' | null;
  /** The objects that own the pod, the nearest first. Empty: none, or unknown. */
  owners: KubernetesOwner[];
  /**
   * The last of `owners`: the object to change. The Deployment of a ReplicaSet is known from the label
   * `pod-template-hash`; the CronJob of a Job is not known. null: none, or unknown.
   */
  workload: KubernetesOwner | null;
  /** The class of quality of service. null: unknown. */
  qos: 'guaranteed' | 'burstable' | 'besteffort' | null;
  /** The name of the node. null: unknown. */
  node: string | null;
  /** The name of the PriorityClass. null: none, or unknown. */
  priority_class: string | null;
  /** The priority of the pod. null: unknown. */
  priority: number | null;
  /** Request and limit of the container. null: unknown, or the event is about the whole pod. */
  container_memory: KubernetesMemory | null;
  /**
   * Request and limit of the pod: those of the pod itself if it has them, else the sums that the scheduler and the
   * kubelet use. null: unknown.
   */
  pod_memory: KubernetesMemory | null;
  /**
   * What the limit of the pod is. `own`: the manifest gives the pod a limit. `sum`: the kubelet gives it the sum of the limits of its
   * containers, so a higher limit of a container raises it. null: the pod has no limit, or it is unknown.
   */
  pod_limit: 'own' | 'sum' | null;
}
