/** Containers, pods and systemd units as events name them. */

/** The program that runs the container. */
export type ContainerRuntime =
  | ('docker' | 'podman' | 'containerd' | 'cri-o' | 'buildkit' | 'kata')
  | ('lxc' | 'systemd-nspawn' | 'libvirt' | 'garden');

/** A container: facts from the path of its cgroup, and from its runtime if that could be asked. */
export interface Container {
  /** The runtime. null: the cgroup path belongs to a container, but does not name the runtime. */
  runtime: ContainerRuntime | null;
  /**
   * The full id: 64 hexadecimal digits. LXC, systemd-nspawn, libvirt, Garden and ctr have names instead, and BuildKit
   * has 25 letters and digits.
   */
  id: string;
  /** The name. null: the runtime was not asked, did not answer in time, or does not know the container. */
  name: string | null;
  /** The image, as it was named at the start. null: unknown, for the same reasons as `name`. */
  image: string | null;
  /** The Compose project. null: the container has none, or it is unknown for the same reasons as `name`. */
  compose_project: string | null;
  /**
   * The service in the Compose project. null: the container has none, or it is unknown for the same reasons as `name`.
   */
  compose_service: string | null;
}

/** Shortens an id of 64 hexadecimal digits to 12, as the runtimes' own commands print it. Names stay as they are. */
export function shortId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
}

/** A Kubernetes pod. */
export interface Pod {
  /** The Kubernetes uid of the pod, with dashes. A static pod has a hash of 32 hexadecimal digits instead. */
  uid: string;
  /** The name of the pod. null: the container runtime was not asked, or does not know the pod. */
  name: string | null;
  /** The namespace of the pod. null: unknown, for the same reasons as `name`. */
  namespace: string | null;
  /**
   * The class of quality of service, from the path of the cgroup. It decides the pod's `oom_score_adj`. null: the path does
   * not show it.
   */
  qos: 'guaranteed' | 'burstable' | 'besteffort' | null;
}

/** The owner of a cgroup. Events have these three fields beside the path of a cgroup. */
export interface CgroupOwner {
  /** The systemd unit: the nearest service or scope, else the nearest slice. null: the path contains no unit. */
  unit: string | null;
  /** The Kubernetes pod. null: the path does not belong to a pod. */
  pod: Pod | null;
  /** The innermost container. null: the path does not belong to a container, or is unknown. */
  container: Container | null;
}

/** The owner of a cgroup whose path is unknown or has no owner. */
export const noOwner: CgroupOwner = { unit: null, pod: null, container: null };
