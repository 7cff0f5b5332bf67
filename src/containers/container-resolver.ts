/**
 * Finds the owner of a cgroup, with the names of its container and pod. Names come from the runtimes' events and
 * lists, and are kept after the container was removed. For an unknown id the resolver sends a request to the runtime.
 *
 * If a name is not known within MOST_WAIT_MS, the event has only the id from the path, and the next event has the name.
 */

import { existsSync, watch } from 'node:fs';
import { memoryHierarchy } from '../linux/memory-hierarchy.ts';
import type { CgroupOwner, Container, Pod } from '../model/container.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import { containersIn, ownerOf } from './container-path.ts';
import type { ContainerRuntimeApi, RuntimeEvent } from './container-runtime.ts';
import { KnownContainers, merged, setBounded } from './known-containers.ts';
import { EventRate, LostEvents } from './lost-events.ts';
import { creatorOf, type OtherUser } from './other-user.ts';
import type { StorageOptions } from './podman-storage.ts';
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
  /**
   * Also read the lists and sockets of other users' runtimes (rootless Podman and Docker). The names that they give
   * count only for cgroups that these users can create. Default false.
   */
  otherUsers?: boolean;
  /** Directories in which Podman and CRI-O keep their lists. Default: the storage of root and of users. */
  storage?: readonly string[];
  /** Root of the file system in which containerd and the kubelet have their files. Default `/`. */
  root?: string;
  /** Called with each event that a runtime reports about a container. */
  onEvent?: (event: RuntimeEvent) => void;
  /** Called at most once a second with the number of events of runtimes that were malformed or too many. */
  onLost?: (count: number) => void;
}

/** How long the event of a kill waits at most for a name. */
export const MOST_WAIT_MS = 5;
/** If no runtime knows an id, the next request for this id is made after this time. */
const FORGET_UNKNOWN_MS = 10_000;
/** Several changes of a list within this time make the resolver read the list once. */
const SETTLE_MS = 10;
/** As SETTLE_MS, for the lists of other users: such a user can change a list all the time. */
const SETTLE_MS_OF_OTHERS = 1000;
const RECONNECT_MS = [100, 1000, 5000, 60_000];

/** Knows the names of containers, and reads the events of their runtimes until it is closed. */
export class ContainerResolver {
  /** One sentence for each socket that does not answer. The map is empty if all sockets answer, or if there is none. */
  readonly unreachable = new Map<string, string>();
  readonly #options: ContainerResolverOptions;
  readonly #known = new KnownContainers(memoryHierarchy()?.mount);
  /** Pods by their uid. */
  readonly #pods = new Map<string, Pod>();
  readonly #unknown = new Map<string, number>();
  readonly #asked = new Map<string, Promise<void>>();
  readonly #runtimes = new Map<string, ContainerRuntimeApi>();
  readonly #lost: LostEvents;
  readonly #ended = new AbortController();

  constructor(options: ContainerResolverOptions = {}) {
    refuseUnknownOptions('ContainerResolver', options, {
      ...{ sockets: true, runtimes: true, otherUsers: true, storage: true, root: true, onEvent: true, onLost: true },
    });
    this.#options = options;
    this.#lost = new LostEvents(options.onLost ?? (() => {}));
  }

  /**
   * Connects to the runtimes. Resolves when it has tried each runtime once. If a runtime does not answer or does not
   * run yet, the resolver connects to it when its socket appears.
   */
  async start(): Promise<void> {
    const { possibleSockets } = await import('./runtime-sockets.ts');
    const asked = this.#options.sockets;
    const possible = possibleSockets({ otherUsers: this.#options.otherUsers });
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
    this.#lost.close();
  }

  /**
   * The owner of a cgroup, with the names known so far. An id in the path that cannot be true is left out: another user
   * has given the id of one of root's containers, or of a pod, to a cgroup.
   */
  ownerOf(path: string | null): CgroupOwner {
    const owner = ownerOf(path);
    const named = this.#known.inPath(path);
    const isFalse = owner.pod && this.#pods.has(owner.pod.uid) && path !== null && creatorOf(path) !== null;
    const pod =
      owner.pod && !isFalse ? { ...owner.pod, ...names(this.#pods.get(owner.pod.uid)), ...names(named?.pod) } : null;
    if (named === undefined) {
      const container = containersIn(path).find(({ id }) => path === null || !this.#known.isFalse(path, id)) ?? null;
      return { ...owner, container, pod };
    }
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
    if (this.#known.inPath(path)) return [];
    const now = performance.now();
    return containersIn(path).flatMap(({ id }) => ((this.#unknown.get(id) ?? 0) < now ? [id] : []));
  }

  #ask(id: string): Promise<void> {
    const asked = this.#asked.get(id) ?? this.#request(id).finally(() => this.#asked.delete(id));
    this.#asked.set(id, asked);
    return asked;
  }

  async #request(id: string): Promise<void> {
    const inspect = async (runtime: ContainerRuntimeApi) => {
      const info = await runtime.inspect(id, 1000).catch(() => undefined);
      if (info?.id === id) this.#remember(info, info.labels, runtime.user);
    };
    await Promise.all([...[...this.#runtimes.values()].map(inspect), this.#readStorage(), this.#readNodeFiles()]);
    if (!this.#known.has(id)) setBounded(this.#unknown, id, performance.now() + FORGET_UNKNOWN_MS);
  }

  get #storage(): StorageOptions {
    return { homes: this.#options.storage, otherUsers: this.#options.otherUsers };
  }

  /** Reads the lists now and after each change, so that names are known before they are needed. */
  async #followStorage(): Promise<void> {
    const { LIST, storeDirectories } = await import('./podman-storage.ts');
    let soon: NodeJS.Timeout | undefined;
    const changed = (file: string | null, user: OtherUser) => {
      if (file !== LIST || soon) return;
      const read = () => {
        soon = undefined;
        void this.#readStorage();
      };
      soon = setTimeout(read, user === null ? SETTLE_MS : SETTLE_MS_OF_OTHERS).unref();
    };
    for (const { directory, user } of storeDirectories(this.#storage)) {
      try {
        const options = { persistent: false, signal: this.#ended.signal };
        watch(directory, options, (_, file) => changed(file, user)).on('error', () => {});
      } catch {
        // The directory is not readable, or no inotify watch is left. Then the list is read only when a name is needed.
      }
    }
    await this.#readStorage();
  }

  async #readStorage(): Promise<void> {
    const { storedContainers } = await import('./podman-storage.ts');
    for (const { user, ...stored } of storedContainers(this.#storage)) {
      // An entry from a runtime also has labels, so the entry from the list does not replace it.
      if (!this.#known.get(stored.container.id, user)) this.#known.set(stored, user);
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
    const { nodeContainers, nodePods } = await import('./node-files.ts');
    for (const pod of await nodePods(this.#options.root ?? '/')) setBounded(this.#pods, pod.uid, pod);
    for (const { container, pod, cgroup } of await nodeContainers(this.#options.root ?? '/')) {
      if (pod) setBounded(this.#pods, pod.uid, pod);
      if (cgroup !== null) this.#known.setCgroup(cgroup, { container, pod });
      if (!this.#known.get(container.id, null)) this.#known.set({ container, pod }, null);
    }
  }

  async #connect(socket: string): Promise<void> {
    const { openRuntimes } = await import('./runtime-sockets.ts');
    const { signal } = this.#ended;
    const { open, closed } = await openRuntimes({ sockets: [socket], signal });
    this.unreachable.delete(socket);
    for (const { sentence } of closed) this.unreachable.set(socket, sentence);
    if (signal.aborted) return;
    for (const runtime of open) {
      this.#runtimes.set(socket, runtime);
      for (const one of await runtime.list().catch(() => [])) this.#remember(one, one.labels, runtime.user);
    }
  }

  /** Reads the events of the runtime that serves a socket, and reconnects when the runtime was restarted. */
  async #follow(socket: string, socketWatch: SocketWatch): Promise<void> {
    const { signal } = this.#ended;
    let sinceNs = BigInt(Date.now()) * 1_000_000n;
    for (let failures = 0; !signal.aborted; failures++) {
      const runtime = this.#runtimes.get(socket);
      const rate = new EventRate(runtime?.user ?? null);
      await runtime
        ?.events(sinceNs, signal, (event) => {
          rate.count();
          if (event === undefined) return this.#lost.add();
          if (runtime.user === null) failures = 0;
          sinceNs = event.time_ns + 1n;
          this.#onEvent(event, runtime.user);
        })
        .catch((error: Error) => this.unreachable.set(socket, `${socket}: ${error.message}.`));
      if (rate.isOver) {
        this.#lost.add();
        failures = RECONNECT_MS.length;
        sinceNs = BigInt(Date.now()) * 1_000_000n;
      }
      this.#runtimes.delete(socket);
      await socketWatch.appears(socket, RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)] as number);
      if (!signal.aborted) await this.#connect(socket);
    }
  }

  #onEvent(event: RuntimeEvent, user: OtherUser): void {
    // Another user's runtime does not run root's containers, so its event about one is false.
    if (user !== null && this.#known.get(event.container.id, null)) {
      this.#lost.add();
      return;
    }
    this.#remember(event.container, event.labels, user);
    this.#options.onEvent?.(event);
  }

  #remember(one: Container, labels: Record<string, string>, user: OtherUser): void {
    this.#unknown.delete(one.id);
    this.#known.set(merged(one, labels, this.#known.get(one.id, user)), user);
  }
}

const names = (pod: Pod | null | undefined) => (pod ? { name: pod.name, namespace: pod.namespace } : {});
