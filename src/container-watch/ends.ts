/**
 * Joins what the kernel tells of kills with what container runtimes tell of their containers, and says for each container
 * that was hit what it really was. An exit code of 137 alone says nothing: it is what any SIGKILL leaves.
 */
import { readFile } from 'node:fs/promises';
import type { RuntimeEvent } from '../containers/container-runtime.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Container, Pod } from '../model/container.ts';
import type { ContainerKilled, ContainerOom } from '../model/container-events.ts';
import type { Envelope, OomKill } from '../model/events.ts';
import { containerKilledMessage, containerOomMessage } from './message.ts';

export interface ContainerEndsOptions {
  envelopes: EnvelopeFactory;
  emit: (event: ContainerOom | ContainerKilled) => void;
  /** Were all kills of the kernel seen so far? Then one that was not seen has not been. */
  kernelWatched: () => boolean;
  /** Would the runtime of this container have told of its end? */
  runtimeWatched: (container: Container) => boolean;
  /** That of a cgroup, by what is known of it now: names may come seconds after a kill. */
  containerOf: (path: string | null) => Container | null;
  proc?: string;
}

/** A container that outlives a kill in it by this has outlived it. Docker tells of an end some 50 ms after the kill. */
const SURVIVED_MS = 2000;
/** For the kernel's word when the runtime's comes first: events of kills wait up to 50 ms for what they lack. */
const LATE_KILL_MS = 300;
/** `docker stop` waits ten seconds, unless told otherwise, between its SIGTERM and its SIGKILL; then it kills at once. */
const SIGNALLED_MS = 10_000;

const EXIT_SIGKILL = 137;
const SIGKILL = 9;

interface Episode {
  container: Container;
  pod: Pod | null;
  kills: OomKill[];
  /** Was one of them the container's main process? null: not known. */
  main: boolean | null;
  runtimeOom: boolean;
  end: RuntimeEvent | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class ContainerEnds {
  readonly #options: ContainerEndsOptions;
  readonly #episodes = new Map<string, Episode>();
  /** When a runtime was last told to kill a container, by its id. */
  readonly #signalled = new Map<string, number>();

  constructor(options: ContainerEndsOptions) {
    this.#options = options;
  }

  onKill(kill: OomKill): void {
    const { container, pod } = kill.victim;
    if (container === null || kill.kind === 'already_dying') return;
    const episode = this.#episode(container, pod);
    episode.pod ??= pod;
    episode.kills.push(kill);
    if (episode.main !== true) {
      void isInit(kill.victim.pid, this.#options.proc).then((main) => {
        episode.main = main === true || episode.main === true ? true : (main ?? episode.main);
      });
    }
    this.#closeIn(episode, episode.end ? LATE_KILL_MS : SURVIVED_MS);
  }

  onRuntime(event: RuntimeEvent): void {
    const { container, action } = event;
    if (action === 'kill' && (event.signal === SIGKILL || event.signal === null)) {
      this.#signalled.set(container.id, performance.now());
    } else if (action === 'oom') {
      const episode = this.#episode(container, null);
      episode.runtimeOom = true;
      if (!episode.timer) this.#closeIn(episode, SURVIVED_MS);
    } else if (action === 'die') {
      if (event.exit_code !== EXIT_SIGKILL && !this.#episodes.has(container.id)) {
        this.#signalled.delete(container.id);
        return;
      }
      const episode = this.#episode(container, null);
      episode.end = event;
      this.#closeIn(episode, LATE_KILL_MS);
    }
  }

  /** Lets out what is open. */
  close(): void {
    for (const episode of [...this.#episodes.values()]) this.#close(episode);
  }

  #episode(container: Container, pod: Pod | null): Episode {
    const open = this.#episodes.get(container.id);
    if (open) {
      // A kill may be there before its container's name is, and the runtime then has it.
      if (container.name !== null) open.container = container;
      return open;
    }
    const episode: Episode = {
      ...{ container, pod, kills: [], main: null, runtimeOom: false, end: undefined, timer: undefined },
    };
    this.#episodes.set(container.id, episode);
    return episode;
  }

  #closeIn(episode: Episode, ms: number): void {
    clearTimeout(episode.timer);
    episode.timer = setTimeout(() => this.#close(episode), ms);
  }

  #close(episode: Episode): void {
    const { container, kills, runtimeOom, end } = episode;
    clearTimeout(episode.timer);
    this.#episodes.delete(container.id);
    const named = container.name === null ? this.#options.containerOf(kills[0]?.victim.cgroup ?? null) : null;
    if (named?.id === container.id) episode.container = named;
    if (kills.length > 0 || runtimeOom) this.#options.emit(this.#oom(episode));
    const reported = runtimeOom && !this.#options.kernelWatched();
    if (end?.exit_code === EXIT_SIGKILL && kills.length === 0 && !reported)
      this.#options.emit(this.#killed(episode, end));
    if (end) this.#signalled.delete(container.id);
  }

  #oom(episode: Episode): ContainerOom {
    const { container, pod, kills, runtimeOom, end } = episode;
    const [first] = kills;
    const told = this.#options.runtimeWatched(container);
    const endNs = end && first && end.time_ns - realtimeNs(first);
    const facts: Facts<ContainerOom> = {
      type: 'container.oom',
      ...{ unit: first?.victim.unit ?? null, pod, container, verdict: this.#verdict(episode) },
      ...{ limit_of: first ? limitOf(first, container) : null, limit: first?.limit ?? null },
      kills: kills.map(({ id, kind, victim }) => ({
        ...{ kill_id: id, kind, pid: victim.pid, comm: victim.comm, rss_bytes: victim.memory?.rss_bytes ?? null },
      })),
      ended: end ? true : told ? false : null,
      exit_code: end?.exit_code ?? null,
      // Podman has no such event.
      runtime_oom: runtimeOom ? true : told && container.runtime === 'docker' ? false : null,
      kill_to_end_ns: endNs === undefined || endNs < 0n ? null : Number(endNs),
    };
    const monoNs = first ? BigInt(first.mono_ns) : end ? end.time_ns - realtimeOffsetNs() : process.hrtime.bigint();
    const severity = facts.verdict === 'spared' ? 'warning' : 'critical';
    const source = first ? `${first.source}+${container.runtime ?? 'cgroup'}` : `${container.runtime}:events`;
    return { ...this.#envelope(monoNs, severity, source, containerOomMessage(facts)), ...facts };
  }

  #verdict({ kills, main, end }: Episode): ContainerOom['verdict'] {
    if (kills.length === 0) return this.#options.kernelWatched() ? 'spared' : 'reported';
    return (main ?? end?.exit_code === EXIT_SIGKILL) ? 'main_killed' : 'process_killed';
  }

  #killed({ container, pod }: Episode, end: RuntimeEvent): ContainerKilled {
    const signalled = this.#signalled.get(container.id) ?? Number.NEGATIVE_INFINITY;
    const facts: Facts<ContainerKilled> = {
      type: 'container.killed',
      ...{ unit: null, pod, container, by: performance.now() - signalled < SIGNALLED_MS ? 'runtime' : 'other' },
      ...{ exit_code: end.exit_code ?? EXIT_SIGKILL, kernel_watched: this.#options.kernelWatched() },
    };
    const source = `${container.runtime}:events`;
    const monoNs = end.time_ns - realtimeOffsetNs();
    return { ...this.#envelope(monoNs, 'warning', source, containerKilledMessage(facts)), ...facts };
  }

  #envelope(monoNs: bigint, severity: 'warning' | 'critical', source: string, message: string) {
    return this.#options.envelopes.next(monoNs, realtimeOffsetNs(), severity, source, message);
  }
}

type Facts<T> = Omit<T, Exclude<keyof Envelope, 'type'>>;

/** Of a kill: nanoseconds since 1970. */
const realtimeNs = ({ time }: OomKill) => BigInt(Date.parse(time)) * 1_000_000n + BigInt(time.slice(23, 29));

/** Process 1 of a pid namespace of its own is a container's main process. null: it shares the host's, or is gone. */
async function isInit(pid: number, proc = '/proc'): Promise<boolean | null> {
  const status = await readFile(`${proc}/${pid}/status`, 'latin1').catch(() => '');
  const inner = /^NSpid:\t\d+(?:\t\d+)*\t(\d+)$/m.exec(status)?.[1];
  return inner === undefined ? null : inner === '1';
}

function limitOf({ limit, scope }: OomKill, { id }: Container): ContainerOom['limit_of'] {
  if (limit === null) return scope === 'system' ? 'system' : scope === null || scope === 'cgroup' ? null : 'nodes';
  const [last] = limit.path.split('/').slice(-1);
  if (last?.includes(id)) return 'container';
  return limit.path.includes(`${id}/`) || limit.path.includes(`${id}.scope/`) ? 'cgroup_inside' : 'cgroup_above';
}
