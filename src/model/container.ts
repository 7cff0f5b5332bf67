/** Containers, pods and units as events name them. */

export type ContainerRuntime = 'docker' | 'podman' | 'containerd' | 'cri-o' | 'lxc' | 'systemd-nspawn' | 'garden';

/** What is known of a container from the path of its cgroup, and, where its runtime could be asked, from that. */
export interface Container {
  /** null: the path is a container's, and does not say whose. */
  runtime: ContainerRuntime | null;
  /** As the runtime has it, in full: 64 hexadecimal digits, but for LXC, nspawn and Garden, which have names. */
  id: string;
  /** null: its runtime was not asked in time, or does not know it. The same for all below. */
  name: string | null;
  image: string | null;
  compose_project: string | null;
  compose_service: string | null;
}

/** As the runtimes' own commands print ids: twelve digits of 64. */
export function shortId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
}

/** A Kubernetes pod. */
export interface Pod {
  /** With dashes; a static pod has a hash of 32 hexadecimal digits instead. */
  uid: string;
  /** null: not known. */
  name: string | null;
  namespace: string | null;
}

/** The owner of a cgroup. Every event that names a cgroup has these three fields beside it. */
export interface CgroupOwner {
  /** The systemd unit: the nearest service or scope, else the nearest slice. null: none in the path. */
  unit: string | null;
  /** null: not of a pod. */
  pod: Pod | null;
  /** null: not a container's, or the path is not known. */
  container: Container | null;
}

/** The owner of a cgroup that nothing is known about. */
export const noOwner: CgroupOwner = { unit: null, pod: null, container: null };
