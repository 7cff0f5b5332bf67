/** One incident in a container: OOM kills in quick succession, and how the container ended. */
import type { RuntimeEvent } from '../containers/container-runtime.ts';
import type { Container, Pod } from '../model/container.ts';
import type { OomKill, OomStuck } from '../model/events.ts';

/**
 * If a container still runs this long after the last kill in it, the incident is over. Docker reports the end of a
 * container about 50 ms after a kill.
 */
const SURVIVED_MS = 2000;
/** The first report waits this long for the end of the container, so that most incidents need only one report. */
const FIRST_REPORT_MS = 250;
/** The interval of reports while kills in the container continue. */
const UPDATE_MS = 2000;
/**
 * How long an incident stays open after its container ended, because the event of a kill may wait up to 50 ms for
 * /proc.
 */
const LATE_KILL_MS = 100;
/** How long an incident stays open after its container ended if no kill was seen yet. */
const MISSING_KILL_MS = 300;
/** At most this many kills of an incident are kept; further kills are only counted. */
const MOST_KILLS = 64;

export const EXIT_SIGKILL = 137;

export interface IncidentKill {
  kill: OomKill;
  /** Was the victim the main process of the container? null: unknown. */
  main: boolean | null;
}

export class Incident {
  container: Container;
  pod: Pod | null = null;
  readonly kills: IncidentKill[] = [];
  killCount = 0;
  /** Did the kernel kill all processes of a cgroup at once (memory.oom.group)? */
  groupKill = false;
  runtimeOom = false;
  /** The container is out of memory, and the kernel kills no process in it. */
  stuck: OomStuck | undefined;
  /** The runtime's report that the container ended. */
  end: RuntimeEvent | undefined;
  timer: NodeJS.Timeout | undefined;
  /** The id of the first event about this incident, and the number of events so far. */
  reported: { id: string; count: number } | undefined;
  readonly #firstMs = performance.now();
  #lastMs = this.#firstMs;
  #reportedMs = 0;
  #endMs = 0;
  /** Did anything happen since the last report? */
  #isChanged = true;

  constructor(container: Container) {
    this.container = container;
  }

  /** Was the main process killed? null: unknown. */
  get main(): boolean | null {
    if (this.kills.some(({ main }) => main === true)) return true;
    return this.kills.every(({ main }) => main === false) ? false : null;
  }

  /** @param main was the victim the main process of the container? null: unknown */
  addKill(kill: OomKill, main: boolean | null): void {
    this.killCount++;
    this.groupKill ||= kill.kind === 'group_member';
    if (this.kills.length < MOST_KILLS) this.kills.push({ kill, main });
    this.#lastMs = performance.now();
    this.#isChanged = true;
  }

  setStuck(stuck: OomStuck): void {
    this.stuck = stuck;
    this.#lastMs = performance.now();
    this.#isChanged = true;
  }

  setEnd(end: RuntimeEvent): void {
    this.end = end;
    this.#endMs = performance.now();
  }

  /** Records that the event with this id has reported the incident. */
  setReported(id: string): void {
    this.reported = { id: this.reported?.id ?? id, count: (this.reported?.count ?? 0) + 1 };
    this.#reportedMs = performance.now();
    this.#isChanged = false;
  }

  /** When the next report is due, and when the incident ends. Both are times of performance.now(). */
  times(): { reportAt: number; finishAt: number } {
    if (this.end) {
      const at = this.#endMs + (this.killCount > 0 ? LATE_KILL_MS : MISSING_KILL_MS);
      return { reportAt: at, finishAt: at };
    }
    const finishAt = this.#lastMs + SURVIVED_MS;
    if (!this.reported) return { reportAt: this.#firstMs + FIRST_REPORT_MS, finishAt };
    return { reportAt: this.#isChanged ? this.#reportedMs + UPDATE_MS : Number.POSITIVE_INFINITY, finishAt };
  }
}

/** The time of a kill: nanoseconds since 1970. */
export const realtimeNs = ({ time }: OomKill) => BigInt(Date.parse(time)) * 1_000_000n + BigInt(time.slice(23, 29));
