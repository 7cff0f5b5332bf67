/** Makes the events about incidents in containers. */
import type { RuntimeEvent } from '../containers/container-runtime.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Container } from '../model/container.ts';
import type { ContainerKilled, ContainerOom } from '../model/container-events.ts';
import type { Envelope, OomKill } from '../model/events.ts';
import type { ContainerDeaths, MainEnd } from './container-deaths.ts';
import { EXIT_SIGKILL, type Incident, realtimeNs } from './incident.ts';
import { containerKilledMessage, containerOomMessage } from './message.ts';

/**
 * How long a kill request of the runtime can explain the end of a container. `docker stop` waits 10 s before SIGKILL.
 */
const SIGNALLED_MS = 10_000;

export interface IncidentReporterOptions {
  envelopes: EnvelopeFactory;
  /** Whether the tracer has seen all kernel kills so far. If so, a kill that it did not see did not happen. */
  kernelWatched: () => boolean;
  /** Whether the senders of signals are watched. */
  killersWatched: () => boolean;
  /** Whether the runtime of this container reports when a container ends. */
  runtimeWatched: (container: Container) => boolean;
}

export class IncidentReporter {
  readonly #options: IncidentReporterOptions;
  readonly #deaths: ContainerDeaths;
  /** For each container id, the time of the last request to the runtime to kill the container. */
  readonly #signalled = new Map<string, number>();

  constructor(options: IncidentReporterOptions, deaths: ContainerDeaths) {
    this.#options = options;
    this.#deaths = deaths;
  }

  onSignal(id: string): void {
    this.#signalled.set(id, performance.now());
  }

  forgetSignal(id: string): void {
    this.#signalled.delete(id);
  }

  /** @param final is the incident over? */
  oom(incident: Incident, final: boolean): ContainerOom {
    const { container, pod, kills, runtimeOom, end, reported } = incident;
    const first = kills[0]?.kill;
    const isWatched = this.#options.runtimeWatched(container);
    const endNs = end && first && end.time_ns - realtimeNs(first);
    const ended = end ? true : final && isWatched ? false : null;
    const last = end?.exit_code === EXIT_SIGKILL ? this.#deaths.end(container.id, end.time_ns) : undefined;
    const facts: Omit<Facts<ContainerOom>, 'incident'> = {
      type: 'container.oom',
      ...{ update: reported?.count ?? 0, final },
      ...{ unit: first?.victim.unit ?? null, pod, container, verdict: this.#verdict(incident, ended, last) },
      ...{ limit_of: first ? limitOf(first, container) : null, limit: first?.limit ?? null },
      ...{ group_kill: incident.groupKill, kill_count: incident.killCount },
      kills: kills.map(({ kill: { id, kind, victim }, main }) => ({
        ...{ kill_id: id, kind, pid: victim.pid, comm: victim.comm, rss_bytes: victim.memory?.rss_bytes ?? null, main },
      })),
      ended,
      exit_code: end?.exit_code ?? null,
      // Podman has no "oom" event.
      runtime_oom: runtimeOom ? true : isWatched && container.runtime === 'docker' ? false : null,
      ended_by: last && !isOom(last) ? last.author : null,
      kill_to_end_ns: endNs === undefined || endNs < 0n ? null : Number(endNs),
    };
    const severity = facts.verdict === 'spared' ? 'warning' : 'critical';
    const source = first ? `${first.source}+${container.runtime ?? 'cgroup'}` : `${container.runtime}:events`;
    const envelope = this.#envelope(monoNsOf(incident), severity, source, containerOomMessage(facts, incident.stuck));
    incident.setReported(envelope.id);
    return { ...envelope, ...facts, incident: reported?.id ?? envelope.id };
  }

  killed({ container, pod }: Incident, end: RuntimeEvent): ContainerKilled {
    const signalledMs = this.#signalled.get(container.id) ?? Number.NEGATIVE_INFINITY;
    const { author, unknown, process: main } = this.#deaths.end(container.id, end.time_ns);
    const isByRuntime = author?.kind === 'runtime' || performance.now() - signalledMs < SIGNALLED_MS;
    const facts: Facts<ContainerKilled> = {
      type: 'container.killed',
      ...{ unit: null, pod, container, by: isByRuntime ? 'runtime' : 'other' },
      ...{ exit_code: end.exit_code ?? EXIT_SIGKILL, kernel_watched: this.#options.kernelWatched() },
      author: author?.kind == null ? null : author,
      author_unknown: author?.kind == null ? (unknown ?? this.#whyUnknown()) : null,
      main: main && { pid: main.pid, comm: main.comm },
    };
    const monoNs = end.time_ns - realtimeOffsetNs();
    return {
      ...this.#envelope(monoNs, 'warning', `${container.runtime}:events`, containerKilledMessage(facts)),
      ...facts,
    };
  }

  #whyUnknown(): string {
    if (!this.#options.killersWatched()) return 'the senders of signals are not watched';
    return this.#options.kernelWatched()
      ? 'oomscope saw no fatal signal to its main process'
      : 'records from the kernel were lost';
  }

  /** @param ended did the container end? null: unknown */
  #verdict(
    { killCount, main, end, stuck }: Incident,
    ended: boolean | null,
    last: MainEnd | undefined,
  ): ContainerOom['verdict'] {
    if (killCount === 0 && stuck) return 'stuck';
    if (killCount > 0 && last?.author?.kind != null) return isOom(last) ? 'main_killed' : 'process_killed';
    if (killCount === 0) return this.#options.kernelWatched() ? 'spared' : 'reported';
    // If the main process was killed, the container has ended with this exit code.
    const isMain = main ?? (ended === null ? null : ended && end?.exit_code === EXIT_SIGKILL);
    return isMain === null ? 'killed' : isMain ? 'main_killed' : 'process_killed';
  }

  #envelope(monoNs: bigint, severity: 'warning' | 'critical', source: string, message: string) {
    return this.#options.envelopes.next(monoNs, realtimeOffsetNs(), severity, source, message);
  }
}

/**
 * The time of a report: for the first, the time of the kill or of the runtime's event; for a later report, the
 * present.
 */
function monoNsOf({ kills, end, reported }: Incident): bigint {
  const first = kills[0]?.kill;
  if (reported) return process.hrtime.bigint();
  return first ? BigInt(first.mono_ns) : end ? end.time_ns - realtimeOffsetNs() : process.hrtime.bigint();
}

/** Did the OOM killer end the container? */
const isOom = ({ author }: MainEnd) => author?.kind === 'oom_killer';

type Facts<T> = Omit<T, Exclude<keyof Envelope, 'type'>>;

function limitOf({ limit, scope }: OomKill, { id }: Container): ContainerOom['limit_of'] {
  if (limit === null) return scope === 'system' ? 'system' : scope === null || scope === 'cgroup' ? null : 'nodes';
  const [last] = limit.path.split('/').slice(-1);
  if (last?.includes(id)) return 'container';
  return limit.path.includes(`${id}/`) || limit.path.includes(`${id}.scope/`) ? 'cgroup_inside' : 'cgroup_above';
}
