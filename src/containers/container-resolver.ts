/**
 * Finds the owner of a cgroup, with the names of its container and pod. Names come from the runtimes' events and
 * lists, and are kept after the container was removed. For an unknown id the resolver sends a request to the runtime.
 *
 * If a name is not known within MOST_WAIT_MS, the event has only the id from the path, and the next event has the name.
 */

import { existsSync, watch } from 'node:fs';
import type { CgroupOwner, Container, Pod } from '../model/container.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import { containersIn, ownerOf } from './container-path.ts';
import type { ContainerRuntimeApi, RuntimeEvent } from './container-runtime.ts';
import type { StoredContainer } from './podman-storage.ts';
import type { SocketWatch } from './socket-watch.ts';

/** Options of `ContainerResolver`. */
export interface ContainerResolverOptions {
  /** Sockets of runtimes. Default: Docker's, including those created later. Podman's containers are in its storage. */
  sockets?: readonly string[];
  /**
   * Which runtimes' sockets are the default: `docker`, or `all`, which adds Podman's. A connection to Podman's socket
   * starts Podman's service if systemd listens on the socket. Default `docker`.
   */
  runtimes?: 'docker' | 'all';
  /** Directories in which Podman and CRI-O keep their lists. Default: the storage of root and of every user. */
  storage?: readonly string[];
  /** Root of the file system in which containerd and the kubelet have their files. Default `/`. */
  root?: string;
  /** Called with each event that a runtime reports about a container. */
  onEvent?: (event: RuntimeEvent) => void;
}

/** How long the event of a kill waits at most for a name. */
export const MOST_WAIT_MS = 5;
/** How many containers are kept, running or removed. A name, an image and two labels take some 500 bytes. */
const MOST_REMEMBERED = 2048;
/** If no runtime knows an id, the next request for this id is made after this time. */
const FORGET_UNKNOWN_MS = 10_000;
/** Several changes of a list within this time make the resolver read the list once. */
const SETTLE_MS = 10;
const RECONNECT_MS = [100, 1000, 5000, 60_000];

type Named = StoredContainer;

/** Knows the names of containers, and reads the events of their runtimes until it is closed. */
export class ContainerResolver {
  /** One sentence for each socket that does not answer. The map is empty if all sockets answer, or if there is none. */
  readonly unreachable = new Map<string, string>();
  readonly #options: ContainerResolverOptions;
  readonly #known = new Map<string, Named>();
  /** Containers whose cgroup path does not contain the container's id, by this path. */
  readonly #byCgroup = new Map<string, Named>();
  /** Pods by their uid. */
  readonly #pods = new Map<string, Pod>();
  readonly #unknown = new Map<string, number>();
  readonly #asked = new Map<string, Promise<void>>();
  readonly #runtimes = new Map<string, ContainerRuntimeApi>();
  readonly #ended = new AbortController();

  constructor(options: ContainerResolverOptions = {}) {
    refuseUnknownOptions('ContainerResolver', options, {
      ...{ sockets: true, runtimes: true, storage: true, root: true, onEvent: true },
    });
    this.#options = options;
  }

  /**
   * Connects to the runtimes. Resolves when it has tried each runtime once. If a runtime does not answer or does not
   * run yet, the resolver connects to it when its socket appears.
   */
  async start(): Promise<void> {
    const { possibleSockets } = await import('./runtime-sockets.ts');
    const asked = this.#options.sockets;
    const possible = possibleSockets();
    const standard = this.#options.runtimes === 'all' ? [...possible.docker, ...possible.podman] : possible.docker;
    const sockets = asked ?? standard;
    const first = sockets.filter((socket) => asked !== undefined || existsSync(socket));
    await Promise.all([
      ...first.map((socket) => this.#connect(socket)),
      this.#followStorage(),
      this.#followNodeFiles(),
    ]);
    const { SocketWatch } = await import('./socket-watch.ts');
    const socketWatch = new SocketWatch(sockets, this.#ended.signal);
    for (const socket of sockets) void this.#follow(socket, socketWatch);
  }

  /** The runtimes to which the resolver is connected. */
  runtimes(): ContainerRuntimeApi['runtime'][] {
    return [...this.#runtimes.values()].map(({ runtime }) => runtime);
  }

  /** Stops reading events. Names that are already known remain available. */
  close(): void {
    this.#ended.abort(new Error('closed'));
    this.#runtimes.clear();
  }

  /** The owner of a cgroup, with the names known so far. */
  ownerOf(path: string | null): CgroupOwner {
    const owner = ownerOf(path);
    const named = this.#innermostKnown(path) ?? this.#ownerOfCgroup(path);
    const pod = owner.pod && {
      ...owner.pod,
      ...known(this.#pods.get(owner.pod.uid) ?? null),
      ...known(named?.pod ?? null),
    };
    if (named === undefined) return { ...owner, pod };
    // The path may tell the runtime even if the source of the name does not.
    const runtime = named.container.runtime ?? owner.container?.runtime ?? null;
    return { ...owner, container: { ...named.container, runtime }, pod: pod ?? named.pod };
  }

  /**
   * Asks the runtimes for the names of the containers in a path. Resolves when they are known or `timeoutMs` has
   * passed.
   */
  async learn(path: string | null, timeoutMs = MOST_WAIT_MS): Promise<void> {
    const asked = this.unnamed(path).map((id) => this.#ask(id));
    if (asked.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(asked), enough]);
    clearTimeout(timer);
  }

  /** The container ids in a path for which the runtimes must be asked. Empty if one of the containers has a name. */
  unnamed(path: string | null): string[] {
    const found = containersIn(path);
    if (found.some(({ id }) => this.#known.has(id))) return [];
    const now = performance.now();
    return found.map(({ id }) => id).filter((id) => (this.#unknown.get(id) ?? 0) < now);
  }

  /**
   * The innermost container in the path that a runtime knows. An inner one may be unknown: a process in a container can
   * create a cgroup with such a name, and the host's runtime does not know containers that run in a container.
   */
  #innermostKnown(path: string | null): Named | undefined {
    for (const { id } of containersIn(path)) {
      const named = this.#known.get(id);
      if (named) return named;
    }
    return undefined;
  }

  /** The container of this cgroup or of an ancestor, if the path does not contain the container's id. */
  #ownerOfCgroup(path: string | null): Named | undefined {
    if (this.#byCgroup.size === 0 || containersIn(path).length > 0) return undefined;
    for (let at = path ?? ''; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
      const named = this.#byCgroup.get(at);
      if (named) return named;
    }
    return undefined;
  }

  #ask(id: string): Promise<void> {
    const asked = this.#asked.get(id) ?? this.#request(id).finally(() => this.#asked.delete(id));
    this.#asked.set(id, asked);
    return asked;
  }

  async #request(id: string): Promise<void> {
    const inspect = async (runtime: ContainerRuntimeApi) => {
      const info = await runtime.inspect(id, 1000).catch(() => undefined);
      if (info) this.#remember(info, info.labels);
    };
    await Promise.all([...[...this.#runtimes.values()].map(inspect), this.#readStorage(), this.#readNodeFiles()]);
    if (!this.#known.has(id)) setBounded(this.#unknown, id, performance.now() + FORGET_UNKNOWN_MS);
  }

  /** Reads the lists now and after each change, so that names are known before they are needed. */
  async #followStorage(): Promise<void> {
    const { LIST, storeDirectories } = await import('./podman-storage.ts');
    let soon: NodeJS.Timeout | undefined;
    const changed = (_: string, file: string | null) => {
      if (file !== LIST || soon) return;
      soon = setTimeout(() => {
        soon = undefined;
        void this.#readStorage();
      }, SETTLE_MS).unref();
    };
    for (const directory of await storeDirectories(this.#options.storage)) {
      try {
        watch(directory, { persistent: false, signal: this.#ended.signal }, changed).on('error', () => {});
      } catch {
        // The directory is not readable, or no inotify watch is left. Then the list is read only when a name is needed.
      }
    }
    await this.#readStorage();
  }

  async #readStorage(): Promise<void> {
    const { storedContainers } = await import('./podman-storage.ts');
    for (const stored of await storedContainers(this.#options.storage)) {
      // An entry from a runtime also has labels, so the entry from the list does not replace it.
      if (!this.#known.has(stored.container.id)) setBounded(this.#known, stored.container.id, stored);
    }
  }

  async #followNodeFiles(): Promise<void> {
    const { nodeDirectories } = await import('./node-files.ts');
    const watched = new Set<string>();
    let soon: NodeJS.Timeout | undefined;
    const read = async () => {
      for (const directory of await nodeDirectories(this.#options.root ?? '/')) {
        if (watched.has(directory) || this.#ended.signal.aborted) continue;
        try {
          const forget = () => void watched.delete(directory);
          watch(directory, { persistent: false, signal: this.#ended.signal }, changed).on('error', forget);
          watched.add(directory);
        } catch {
          // The list does not exist, or this process may not read it.
        }
      }
      await this.#readNodeFiles();
    };
    const changed = () => {
      if (soon) return;
      soon = setTimeout(() => {
        soon = undefined;
        void read();
      }, SETTLE_MS).unref();
    };
    await read();
  }

  async #readNodeFiles(): Promise<void> {
    const { nodeContainers } = await import('./node-files.ts');
    for (const { container, pod, cgroup } of await nodeContainers(this.#options.root ?? '/')) {
      if (pod) setBounded(this.#pods, pod.uid, pod);
      if (cgroup !== null) setBounded(this.#byCgroup, cgroup, { container, pod });
      if (!this.#known.has(container.id)) setBounded(this.#known, container.id, { container, pod });
    }
  }

  async #connect(socket: string): Promise<void> {
    const { openRuntimes } = await import('./runtime-sockets.ts');
    const { open, closed } = await openRuntimes([socket]);
    this.unreachable.delete(socket);
    for (const { sentence } of closed) this.unreachable.set(socket, sentence);
    if (this.#ended.signal.aborted) return;
    for (const runtime of open) {
      this.#runtimes.set(socket, runtime);
      for (const one of await runtime.list().catch(() => [])) this.#remember(one, one.labels);
    }
  }

  /** Reads the events of the runtime that serves a socket, and reconnects when the runtime was restarted. */
  async #follow(socket: string, socketWatch: SocketWatch): Promise<void> {
    const { signal } = this.#ended;
    let sinceNs = BigInt(Date.now()) * 1_000_000n;
    for (let failures = 0; !signal.aborted; failures++) {
      const runtime = this.#runtimes.get(socket);
      await runtime
        ?.events(sinceNs, signal, (event) => {
          failures = 0;
          sinceNs = event.time_ns + 1n;
          this.#remember(event.container, event.labels);
          this.#options.onEvent?.(event);
        })
        .catch(() => {});
      this.#runtimes.delete(socket);
      await socketWatch.appears(socket, RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)] as number);
      if (!signal.aborted) await this.#connect(socket);
    }
  }

  #remember(one: Container, labels: Record<string, string>): void {
    const { runtime, id, name, image, compose_project, compose_service } = one;
    const before = this.#known.get(id)?.container;
    const container: Container = {
      ...{ runtime, id, name: name ?? before?.name ?? null, image: image ?? before?.image ?? null },
      compose_project: compose_project ?? before?.compose_project ?? null,
      compose_service: compose_service ?? before?.compose_service ?? null,
    };
    this.#unknown.delete(id);
    setBounded(this.#known, id, { container, pod: podOf(labels) ?? this.#known.get(id)?.pod ?? null });
  }
}

/** The pod of a container, from the labels that the kubelet sets. */
function podOf(labels: Record<string, string>): Pod | null {
  const uid = labels['io.kubernetes.pod.uid'];
  if (uid === undefined) return null;
  const name = labels['io.kubernetes.pod.name'] ?? null;
  return { uid, name, namespace: labels['io.kubernetes.pod.namespace'] ?? null };
}

const known = (pod: Pod | null) => (pod === null ? {} : { name: pod.name, namespace: pod.namespace });

/** Sets an entry as the newest one, and drops the oldest entry if there are more than the limit. */
function setBounded<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_REMEMBERED) map.delete(map.keys().next().value as K);
}
