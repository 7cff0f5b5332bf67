/**
 * Reads from a container runtime (Docker or Podman) through Docker's API on a unix socket. oomscope changes nothing
 * there.
 */
import type { Container } from '../model/container.ts';
import type { ContainerSettings } from '../model/container-report.ts';
import { parseForeignJson } from '../text/foreign-json.ts';
import { LONGEST_NAME, type OtherUser } from './other-user.ts';
import { endpointAt, type GetOptions, getJson, getLines } from './unix-http.ts';

/** A container as its runtime describes it. */
export interface ContainerInfo extends Container {
  labels: Record<string, string>;
  /** "running", "exited", … */
  state: string;
  /** Pid of the main process in the host's pid namespace. null: the container does not run. */
  pid: number | null;
  exit_code: number | null;
  /** Docker: a process in the container was OOM-killed since its last start. Podman 4 with crun always says false. */
  oom_killed: boolean;
  started_at: string | null;
  finished_at: string | null;
  restart_count: number;
  restart_policy: string | null;
  configured: ContainerSettings;
}

export interface RuntimeEvent {
  action: string;
  /** The container, with name, image and labels even if it was already removed. */
  container: Container;
  labels: Record<string, string>;
  exit_code: number | null;
  /** The signal of a "kill" event. null: the runtime does not report it. */
  signal: number | null;
  time_ns: bigint;
}

/** An answer from another user's runtime that is longer is an error. A container takes about 1 KiB. */
const MOST_BYTES_OF_OTHERS = 2 ** 20;

/** How many containers of another user's runtime are listed. */
const MOST_OF_OTHERS = 256;

type Endpoint = ReturnType<typeof endpointAt>;

export class ContainerRuntimeApi {
  readonly socket: string;
  readonly runtime: 'docker' | 'podman';
  /** The user who can have put the socket there, and can answer anything. null: root or the user of this process. */
  readonly user: OtherUser;
  readonly #endpoint: Endpoint;
  readonly #signal: AbortSignal | undefined;

  private constructor(endpoint: Endpoint, runtime: 'docker' | 'podman', signal: AbortSignal | undefined) {
    this.socket = endpoint.path;
    this.runtime = runtime;
    this.user = endpoint.user;
    this.#endpoint = endpoint;
    this.#signal = signal;
  }

  /**
   * Rejects with a system error if the socket does not exist, access is denied, or no process listens on it.
   *
   * @param signal ends every request when it aborts
   */
  static async open(socket: string, signal?: AbortSignal): Promise<ContainerRuntimeApi> {
    const endpoint = endpointAt(socket);
    const version = record(await getJson(endpoint, '/version', optionsFor(endpoint, 5000, signal)));
    const parts = Array.isArray(version.Components) ? version.Components : [];
    const podman = parts.some((part) => /podman/i.test(text(record(part).Name) ?? ''));
    return new ContainerRuntimeApi(endpoint, podman ? 'podman' : 'docker', signal);
  }

  /** Id, name, image, labels and state of each container, exited ones included. */
  async list(timeoutMs = 5000): Promise<Pick<ContainerInfo, keyof Container | 'labels' | 'state'>[]> {
    const found = await this.#get('/containers/json?all=true', timeoutMs);
    const listed = Array.isArray(found) ? found : [];
    return (this.user === null ? listed : listed.slice(0, MOST_OF_OTHERS)).map(record).map((one) => {
      const labels = strings(one.Labels);
      const [name] = Array.isArray(one.Names) ? one.Names : [];
      return { ...this.#container(one.Id, name, one.Image, labels), labels, state: text(one.State) ?? 'unknown' };
    });
  }

  /** @param name a name, an id, or the start of an id. Rejects with HttpError 404 when there is no such container. */
  async inspect(name: string, timeoutMs = 5000): Promise<ContainerInfo> {
    const one = record(await this.#get(`/containers/${encodeURIComponent(name)}/json`, timeoutMs));
    const [state, config, host] = [record(one.State), record(one.Config), record(one.HostConfig)];
    const labels = strings(config.Labels);
    const policy = record(host.RestartPolicy);
    const memorySwap = integer(host.MemorySwap) ?? 0;
    return {
      ...this.#container(one.Id, one.Name, config.Image, labels),
      labels,
      state: text(state.Status) ?? 'unknown',
      pid: integer(state.Pid) || null,
      exit_code: state.Running === true ? null : integer(state.ExitCode),
      oom_killed: state.OOMKilled === true,
      started_at: date(state.StartedAt),
      finished_at: date(state.FinishedAt),
      restart_count: integer(one.RestartCount) ?? 0,
      restart_policy: text(policy.Name) || null,
      configured: {
        memory_limit_bytes: integer(host.Memory) || null,
        memory_and_swap_limit_bytes: memorySwap > 0 ? memorySwap : null,
        swap_unlimited: memorySwap < 0,
        memory_reservation_bytes: integer(host.MemoryReservation) || null,
        oom_score_adj: integer(host.OomScoreAdj) ?? 0,
        oom_kill_disable: host.OomKillDisable === true,
      },
    };
  }

  /**
   * Reads the events of containers, until `signal` or the runtime ends the stream, or `onEvent` throws.
   *
   * @param sinceNs nanoseconds since 1970; past events since this time come first
   * @param onEvent called with each event of a container. undefined: the line was malformed, and is lost
   */
  async events(sinceNs: bigint, signal: AbortSignal, onEvent: (event: RuntimeEvent | undefined) => void) {
    const since = `${sinceNs / 1_000_000_000n}.${String(sinceNs % 1_000_000_000n).padStart(9, '0')}`;
    const filters = encodeURIComponent(JSON.stringify({ type: ['container'] }));
    await getLines(this.#endpoint, `/events?since=${since}&filters=${filters}`, signal, (line) => {
      const one = parsed(line);
      if (one === undefined || one.Type === 'container') onEvent(one && this.#event(one));
    });
  }

  #get(path: string, timeoutMs: number): Promise<unknown> {
    return getJson(this.#endpoint, path, optionsFor(this.#endpoint, timeoutMs, this.#signal));
  }

  #event(one: Record<string, unknown>): RuntimeEvent | undefined {
    const actor = record(one.Actor);
    const { image, name, exitCode, signal, containerExitCode, podId, ...labels } = strings(actor.Attributes);
    const id = short(actor.ID) ?? '';
    const time_ns = nanoseconds(one.timeNano);
    if (id === '' || time_ns === undefined) return undefined;
    return {
      action: short(one.Action) ?? '',
      container: this.#container(id, name, image, labels),
      labels,
      exit_code: small(exitCode),
      signal: small(signal),
      time_ns,
    };
  }

  #container(id: unknown, name: unknown, image: unknown, labels: Record<string, string>): Container {
    return {
      runtime: this.runtime,
      id: short(id) ?? '',
      name: short(name)?.replace(/^\//, '') || null,
      image: short(image) || null,
      compose_project: short(labels['com.docker.compose.project'] ?? labels['io.podman.compose.project']),
      compose_service: short(labels['com.docker.compose.service'] ?? labels['io.podman.compose.service']),
    };
  }
}

// Every value from the socket is checked before it is used.
const record = (value: unknown) =>
  (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}) as Record<string, unknown>;
const text = (value: unknown) => (typeof value === 'string' ? value : null);
/** A text that is kept: a longer one is left out. */
const short = (value: unknown) => (typeof value === 'string' && value.length <= LONGEST_NAME ? value : null);
/** An exit code or a signal, which the runtimes write as a string. */
const small = (value: string | undefined) => (/^\d{1,3}$/.test(value ?? '') ? Number(value) : null);
const integer = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : null);
const strings = (value: unknown) =>
  Object.fromEntries(Object.entries(record(value)).filter(([, one]) => typeof one === 'string')) as Record<
    string,
    string
  >;
/** Go's zero time (year 1) means "never". */
const date = (value: unknown) => (text(value)?.startsWith('0001-') ? null : text(value));

/** Nanoseconds since 1970. Not given: 0. undefined: no time that a file or a date can have. */
function nanoseconds(value: unknown): bigint | undefined {
  if (value === undefined || value === null) return 0n;
  return typeof value === 'number' && value >= 0 && value < 2 ** 63 ? BigInt(Math.round(value)) : undefined;
}

/** undefined: the line is incomplete, because the runtime exited while it wrote the line, or it is no object. */
function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return record(parseForeignJson(line, { depth: 16, values: 10_000 }));
  } catch {
    return undefined;
  }
}

const optionsFor = ({ user }: Endpoint, timeoutMs: number, signal: AbortSignal | undefined): GetOptions => ({
  ...{ timeoutMs, signal },
  ...(user !== null && { mostBytes: MOST_BYTES_OF_OTHERS }),
});
