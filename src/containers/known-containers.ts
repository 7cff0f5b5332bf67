/**
 * The containers whose names are known, running or removed. Each user's containers are kept apart, so that no user can
 * name a container of another user or of root, or push other containers out of the memory.
 */
import type { Container, Pod } from '../model/container.ts';
import { containerCgroup, containersIn } from './container-path.ts';
import { creatorOf, type OtherUser } from './other-user.ts';
import type { StoredContainer } from './podman-storage.ts';

/** How many containers of root and this user are kept. A name, an image and two labels take some 500 bytes. */
const MOST = 2048;
const MOST_OF_A_USER = 256;
const MOST_USERS = 64;
/** Directories of cgroups hardly ever change their owner, and one kill asks several times for the same one. */
const CREATOR_MS = 60_000;
const MOST_CREATORS = 64;

export class KnownContainers {
  readonly #own = new Map<string, StoredContainer>();
  readonly #others = new Map<number, Map<string, StoredContainer>>();
  /** Containers whose cgroup path does not contain the container's id, by this path. */
  readonly #byCgroup = new Map<string, StoredContainer>();
  /** Who can have created the cgroups of containers, by their paths. */
  readonly #creators = new Map<string, { user: OtherUser; untilMs: number }>();
  readonly #mount: string | undefined;

  /** @param mount where the memory hierarchy of cgroups is mounted, to see who can create cgroups */
  constructor(mount?: string) {
    this.#mount = mount;
  }

  get(id: string, user: OtherUser): StoredContainer | undefined {
    return this.#of(user)?.get(id);
  }

  /** Whether any user's runtime knows the id. */
  has(id: string): boolean {
    return this.#own.has(id) || [...this.#others.values()].some((known) => known.has(id));
  }

  set(stored: StoredContainer, user: OtherUser): void {
    if (user !== null && !this.#others.has(user)) setBounded(this.#others, user, new Map(), MOST_USERS);
    const known = this.#of(user);
    if (known) setBounded(known, stored.container.id, stored, user === null ? MOST : MOST_OF_A_USER);
  }

  /**
   * The outermost container in the path that a runtime knows. A process in a container can create a cgroup with the id
   * of any container, so an inner container does not count. The outermost one may be unknown: the host's runtime does
   * not know the nodes of a cluster in which oomscope runs.
   */
  inPath(path: string | null): StoredContainer | undefined {
    if (path === null) return undefined;
    for (const { id } of containersIn(path).toReversed()) {
      const known = this.has(id) ? this.get(id, this.userOf(path, id)) : undefined;
      if (known) return known;
    }
    return this.#ofCgroup(path);
  }

  /** Names a container whose cgroup path does not contain the container's id. */
  setCgroup(cgroup: string, stored: StoredContainer): void {
    setBounded(this.#byCgroup, cgroup, stored);
  }

  /** The container of this cgroup or of an ancestor, if the path does not contain the container's id. */
  #ofCgroup(path: string): StoredContainer | undefined {
    if (this.#byCgroup.size === 0 || containersIn(path).length > 0) return undefined;
    for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
      const named = this.#byCgroup.get(at);
      if (named) return named;
    }
    return undefined;
  }

  /** Whether a cgroup has the id of a container of root's, but only another user can have created the cgroup. */
  isFalse(path: string, id: string): boolean {
    return this.#own.has(id) && this.userOf(path, id) !== null;
  }

  /** The user who can have created the cgroup of a container in a path. */
  userOf(path: string, id: string): OtherUser {
    const cgroup = containerCgroup(path, id);
    if (cgroup === null) return null;
    const now = performance.now();
    const known = this.#creators.get(cgroup);
    if (known && known.untilMs > now) return known.user;
    const user = creatorOf(cgroup, this.#mount);
    setBounded(this.#creators, cgroup, { user, untilMs: now + CREATOR_MS }, MOST_CREATORS);
    return user;
  }

  #of(user: OtherUser): Map<string, StoredContainer> | undefined {
    return user === null ? this.#own : this.#others.get(user);
  }
}

/** The pod of a container, from the labels that the kubelet sets. */
export function podOf(labels: Record<string, string>): Pod | null {
  const uid = labels['io.kubernetes.pod.uid'];
  if (uid === undefined) return null;
  const name = labels['io.kubernetes.pod.name'] ?? null;
  return { uid, name, namespace: labels['io.kubernetes.pod.namespace'] ?? null, qos: null };
}

/** What is known of a container now, with what was known before and is missing now. */
export function merged(now: Container, labels: Record<string, string>, before?: StoredContainer): StoredContainer {
  const { runtime, id, name, image, compose_project, compose_service } = now;
  const old = before?.container;
  const container: Container = {
    ...{ runtime, id, name: name ?? old?.name ?? null, image: image ?? old?.image ?? null },
    compose_project: compose_project ?? old?.compose_project ?? null,
    compose_service: compose_service ?? old?.compose_service ?? null,
  };
  return { container, pod: podOf(labels) ?? before?.pod ?? null };
}

/** Sets an entry as the newest one, and drops the oldest entry if there are more than `most`. */
export function setBounded<K, V>(map: Map<K, V>, key: K, value: V, most = MOST): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value as K);
}
