/**
 * Reads from a container runtime (Docker or Podman) through Docker's API on a unix socket. oomscope changes nothing
 * there.
 */
import type { Container } from '../model/container.ts';
import type { ContainerSettings } from '../model/container-report.ts';
import { getJson, getLines } from './unix-http.ts';

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

export class ContainerRuntimeApi {
  readonly socket: string;
  readonly runtime: 'docker' | 'podman';

  private constructor(socket: string, runtime: 'docker' | 'podman') {
    this.socket = socket;
    this.runtime = runtime;
  }

  /** Rejects with a system error if the socket does not exist, access is denied, or no process listens on it. */
  static async open(socket: string, timeoutMs = 5000): Promise<ContainerRuntimeApi> {
    const version = record(await getJson(socket, '/version', { timeoutMs }));
    const parts = Array.isArray(version.Components) ? version.Components : [];
    const podman = parts.some((part) => /podman/i.test(text(record(part).Name) ?? ''));
    return new ContainerRuntimeApi(socket, podman ? 'podman' : 'docker');
  }

  /** Id, name, image, labels and state of each container, exited ones included. */
  async list(timeoutMs = 5000): Promise<Pick<ContainerInfo, keyof Container | 'labels' | 'state'>[]> {
    const found = await getJson(this.socket, '/containers/json?all=true', { timeoutMs });
    return (Array.isArray(found) ? found : []).map(record).map((one) => {
      const labels = strings(one.Labels);
      const [name] = Array.isArray(one.Names) ? one.Names : [];
      return { ...this.#container(one.Id, name, one.Image, labels), labels, state: text(one.State) ?? 'unknown' };
    });
  }

  /** @param name a name, an id, or the start of an id. Rejects with HttpError 404 when there is no such container. */
  async inspect(name: string, timeoutMs = 5000): Promise<ContainerInfo> {
    const one = record(await getJson(this.socket, `/containers/${encodeURIComponent(name)}/json`, { timeoutMs }));
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
   * Reads the events of containers, until `signal` or the runtime ends the stream.
   *
   * @param sinceNs nanoseconds since 1970; past events since this time come first
   */
  async events(sinceNs: bigint, signal: AbortSignal, onEvent: (event: RuntimeEvent) => void): Promise<void> {
    const since = `${sinceNs / 1_000_000_000n}.${String(sinceNs % 1_000_000_000n).padStart(9, '0')}`;
    const filters = encodeURIComponent(JSON.stringify({ type: ['container'] }));
    await getLines(this.socket, `/events?since=${since}&filters=${filters}`, signal, (line) => {
      const event = this.#event(line);
      if (event) onEvent(event);
    });
  }

  #event(line: string): RuntimeEvent | undefined {
    let one: Record<string, unknown>;
    try {
      one = record(JSON.parse(line));
    } catch {
      return undefined; // the line is incomplete, because the runtime exited while it wrote the line
    }
    const actor = record(one.Actor);
    const { image, name, exitCode, signal, containerExitCode, podId, ...labels } = strings(actor.Attributes);
    const id = text(actor.ID) ?? '';
    if (one.Type !== 'container' || id === '') return undefined;
    return {
      action: text(one.Action) ?? '',
      container: this.#container(id, name, image, labels),
      labels,
      exit_code: exitCode === undefined ? null : Number(exitCode),
      signal: signal === undefined ? null : Number(signal),
      time_ns: BigInt(Math.round(Number(one.timeNano) || 0)),
    };
  }

  #container(id: unknown, name: unknown, image: unknown, labels: Record<string, string>): Container {
    return {
      runtime: this.runtime,
      id: text(id) ?? '',
      name: text(name)?.replace(/^\//, '') || null,
      image: text(image) || null,
      compose_project: labels['com.docker.compose.project'] ?? labels['io.podman.compose.project'] ?? null,
      compose_service: labels['com.docker.compose.service'] ?? labels['io.podman.compose.service'] ?? null,
    };
  }
}

// Every value from the socket is checked before it is used.
const record = (value: unknown) =>
  (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}) as Record<string, unknown>;
const text = (value: unknown) => (typeof value === 'string' ? value : null);
const integer = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : null);
const strings = (value: unknown) =>
  Object.fromEntries(Object.entries(record(value)).filter(([, one]) => typeof one === 'string')) as Record<
    string,
    string
  >;
/** Go's zero time (year 1) means "never". */
const date = (value: unknown) => (text(value)?.startsWith('0001-') ? null : text(value));
