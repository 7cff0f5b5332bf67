/**
 * Joins the kernel's kills with the events of container runtimes, and reports what happened in each affected container.
 * The exit code 137 alone does not show an OOM kill, because any SIGKILL causes this exit code.
 */
import { containersIn } from '../containers/container-path.ts';
import type { RuntimeEvent } from '../containers/container-runtime.ts';
import type { InitExit } from '../killers/kill-watch.ts';
import type { Container, Pod } from '../model/container.ts';
import type { ContainerKilled, ContainerOom } from '../model/container-events.ts';
import type { OomKill, OomStuck } from '../model/events.ts';
import type { ProcessKilled } from '../model/process-killed.ts';
import { ContainerDeaths, isMain } from './container-deaths.ts';
import { EXIT_SIGKILL, Incident, realtimeNs } from './incident.ts';
import { IncidentReporter, type IncidentReporterOptions } from './incident-reporter.ts';

export interface IncidentTrackerOptions extends IncidentReporterOptions {
  emit: (event: ContainerOom | ContainerKilled | ProcessKilled) => void;
  /** The container of a cgroup, with the names known now. A name may become known seconds after a kill. */
  containerOf: (path: string | null) => Container | null;
}

const SIGKILL = 9;

export class IncidentTracker {
  readonly #options: IncidentTrackerOptions;
  readonly #reporter: IncidentReporter;
  readonly #deaths = new ContainerDeaths();
  /** The open incidents, by the id of the container. */
  readonly #incidents = new Map<string, Incident>();

  constructor(options: IncidentTrackerOptions) {
    this.#options = options;
    this.#reporter = new IncidentReporter(options, this.#deaths);
  }

  onKill(kill: OomKill): void {
    const { container, pod } = kill.victim;
    if (container === null || kill.kind === 'already_dying') return;
    const before = this.#incidents.get(container.id);
    // The container has ended and was started again, so this kill belongs to a new incident.
    if (before?.end && realtimeNs(kill) > before.end.time_ns) this.#finish(before);
    const incident = this.#open(container, pod);
    incident.addKill(kill, isMainProcess(kill.victim));
    this.#schedule(incident);
  }

  onStuck(stuck: OomStuck): void {
    const { container, pod } = stuck.cgroup;
    if (container === null || stuck.state === 'over') return;
    const incident = this.#open(container, pod);
    incident.setStuck(stuck);
    this.#schedule(incident);
  }

  /** Tells of a kill that ends no container, and remembers the others until the runtime reports the end. */
  onDeath(event: ProcessKilled): void {
    this.#deaths.onDeath(event);
    const isTold = event.kill_id !== null || event.by.kind === 'namespace_end' || isMain(event);
    if (event.victim.container !== null && !isTold) this.#options.emit(event);
  }

  onInitExit(exit: InitExit): void {
    this.#deaths.onInitExit(exit);
  }

  onRuntime(event: RuntimeEvent): void {
    const { container, action } = event;
    this.#deaths.onRuntime(event);
    if (action === 'kill' && (event.signal === SIGKILL || event.signal === null)) {
      this.#reporter.onSignal(container.id);
    } else if (action === 'oom') {
      const incident = this.#open(container, null);
      incident.runtimeOom = true;
      this.#schedule(incident);
    } else if (action === 'die') {
      if (event.exit_code !== EXIT_SIGKILL && !this.#incidents.has(container.id)) {
        this.#reporter.forgetSignal(container.id);
        this.#deaths.forget(container.id);
        return;
      }
      const incident = this.#open(container, null);
      incident.setEnd(event);
      this.#schedule(incident);
    }
  }

  /** Reports the incidents that are still open. */
  close(): void {
    for (const incident of [...this.#incidents.values()]) this.#finish(incident);
  }

  #open(container: Container, pod: Pod | null): Incident {
    let incident = this.#incidents.get(container.id);
    if (!incident) {
      incident = new Incident(container);
      this.#incidents.set(container.id, incident);
    }
    // If the container's name was not known at the time of the kill, the runtime's event adds it.
    if (container.name !== null) incident.container = container;
    incident.pod ??= pod;
    return incident;
  }

  #schedule(incident: Incident): void {
    clearTimeout(incident.timer);
    const { reportAt, finishAt } = incident.times();
    // The runtime reports an OOM, but no kill was seen. The event of the kill may still arrive, so the tracker waits.
    const isSpared = incident.killCount === 0 && !incident.stuck && this.#options.kernelWatched();
    const nextAt = isSpared ? finishAt : Math.min(reportAt, finishAt);
    const due = () => (performance.now() >= finishAt ? this.#finish(incident) : this.#update(incident));
    // A timer may fire a fraction of a millisecond early.
    const inMs = Math.ceil(nextAt - performance.now()) + 1;
    incident.timer = setTimeout(due, Math.max(0, inMs));
  }

  #update(incident: Incident): void {
    this.#name(incident);
    this.#options.emit(this.#reporter.oom(incident, false));
    this.#schedule(incident);
  }

  #finish(incident: Incident): void {
    clearTimeout(incident.timer);
    this.#incidents.delete(incident.container.id);
    this.#name(incident);
    const { container, end, killCount, runtimeOom } = incident;
    if (killCount > 0 || runtimeOom || incident.stuck) this.#options.emit(this.#reporter.oom(incident, true));
    const isReported = runtimeOom && !this.#options.kernelWatched();
    if (end?.exit_code === EXIT_SIGKILL && killCount === 0 && !isReported) {
      this.#options.emit(this.#reporter.killed(incident, end));
    }
    if (!end) return;
    this.#reporter.forgetSignal(container.id);
    this.#deaths.forget(container.id);
  }

  #name(incident: Incident): void {
    if (incident.container.name !== null) return;
    const named = this.#options.containerOf(incident.kills[0]?.kill.victim.cgroup ?? null);
    if (named?.id === incident.container.id) incident.container = named;
  }
}

/**
 * Whether the victim is the main process of its container, which is pid 1 in the container's pid namespace. null: the
 * container shares the host's pid namespace, or the pids are unknown.
 */
function isMainProcess({ cgroup, namespace_pids, inner_containers }: OomKill['victim']): boolean | null {
  // Each container around the victim's container has a pid namespace of its own.
  const level = Math.max(1, containersIn(cgroup).length - inner_containers.length);
  const pid = namespace_pids[level];
  return pid === undefined ? null : pid === 1;
}
