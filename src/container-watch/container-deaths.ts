/**
 * The deaths by a signal in each container, and what its runtime was told before: who ended a container that ended with
 * exit code 137.
 */
import type { RuntimeEvent } from '../containers/container-runtime.ts';
import type { InitExit } from '../killers/kill-watch.ts';
import { authorPhrase } from '../killers/message.ts';
import { isShim } from '../killers/programs.ts';
import { signalName } from '../killers/signal-name.ts';
import type { KillAuthor, KilledProcess, KillReason, ProcessKilled } from '../model/process-killed.ts';
import { printable } from '../text/printable.ts';

/** How the main process of a container ended. */
export interface MainEnd {
  /** Who ended it. null: unknown. */
  author: KillAuthor | null;
  /** Why the author is unknown. null: it is known. */
  unknown: string | null;
  /** The main process. null: unknown. */
  process: Pick<KilledProcess, 'pid' | 'comm'> | null;
  /** The event about its death. null: there is none. */
  killed: ProcessKilled | null;
}

interface Deaths {
  /** The last deaths in the container, oldest first. */
  killed: ProcessKilled[];
  exit: InitExit | undefined;
  /** The signals that its runtime was told to send, oldest first. */
  told: { signal: number | null; ms: number }[];
}

const SIGKILL = 9;
const MOST_DEATHS = 16;
const MOST_CONTAINERS = 1024;
/** A signal that the runtime was told to send longer ago was for another reason. `docker stop` may wait for minutes. */
const TOLD_MS = 10 * 60_000;
/** oomscope converts the kernel's time of an event with an error of about a millisecond. */
const CLOCKS_MS = 20;
/** A main process that exits this soon after its child was killed passes on the child's exit code. */
const CHILD_MS = 1000;

export class ContainerDeaths {
  readonly #containers = new Map<string, Deaths>();

  onDeath(event: ProcessKilled): void {
    const { container } = event.victim;
    if (container === null) return;
    const deaths = this.#of(container.id);
    deaths.killed = [...deaths.killed, event].slice(-MOST_DEATHS);
  }

  onInitExit(exit: InitExit): void {
    if (exit.container && isMonitor(exit.parentComm)) this.#of(exit.container.id).exit = exit;
  }

  /** The runtime was told to send a signal to a container. */
  onRuntime({ container, action, signal }: RuntimeEvent): void {
    if (action === 'kill') this.#of(container.id).told.push({ signal, ms: performance.now() });
  }

  /**
   * How the main process of a container ended, as far as it was seen.
   *
   * @param endNs when the runtime saw the end, in nanoseconds since 1970: the container may run again since
   */
  end(id: string, endNs: bigint): MainEnd {
    const deaths = this.#containers.get(id);
    const lastMs = Number(endNs / 1_000_000n) + CLOCKS_MS;
    const mains = deaths?.killed.filter((one) => isMain(one) && Date.parse(one.time) <= lastMs) ?? [];
    // A process in the container may have made a pid namespace of its own, whose process 1 is not the main process.
    const killed = mains.findLast(({ victim }) => isMonitor(victim.parent_comm)) ?? mains.at(-1) ?? null;
    if (deaths && killed) {
      const { victim, by } = killed;
      const reason = by.reason ?? (by.kind === 'runtime' ? toldReason(deaths.told) : null);
      return { author: { ...by, reason }, unknown: by.unknown, process: victim, killed };
    }
    if (deaths?.exit)
      return { author: itself(deaths.exit, deaths.killed), unknown: null, process: deaths.exit, killed: null };
    return { author: null, unknown: null, process: null, killed: null };
  }

  forget(id: string): void {
    this.#containers.delete(id);
  }

  #of(id: string): Deaths {
    const deaths = this.#containers.get(id) ?? { killed: [], exit: undefined, told: [] };
    this.#containers.delete(id);
    this.#containers.set(id, deaths);
    if (this.#containers.size > MOST_CONTAINERS)
      this.#containers.delete(this.#containers.keys().next().value as string);
    return deaths;
  }
}

/**
 * Was it the main process of its container: process 1 of its pid namespace or, in a container that shares the host's pid
 * namespace, a child of the runtime's monitor?
 */
export function isMain({ victim }: ProcessKilled): boolean {
  const { namespace_init, namespace_pid, pid, parent_comm } = victim;
  return namespace_init || (namespace_pid === pid && isMonitor(parent_comm));
}

/** The process of a runtime that starts a container and waits for its end. */
const isMonitor = (comm: string) => isShim(comm) || comm === 'conmon';

/** What the runtime was told, in the words of its command. */
function toldReason(told: Deaths['told']): KillReason | null {
  const last = told.at(-1);
  if (last === undefined || performance.now() - last.ms > TOLD_MS) return null;
  const before = told.at(-2);
  const isStop = before !== undefined && before.signal !== SIGKILL && before.signal !== null;
  const words = isStop
    ? `it did not end within ${Math.round((last.ms - before.ms) / 1000)} s of ${signalName(before.signal as number)} (stop or restart)`
    : 'it was told to (kill or rm --force)';
  return { words, source: 'runtime' };
}

/** A process that exits with status 137 is often a shell, which passes on that its child was killed. */
function itself({ comm, atMs }: InitExit, killed: readonly ProcessKilled[]): KillAuthor {
  const child = killed.findLast(
    ({ victim, time }) => victim.namespace_pid !== victim.pid && Math.abs(Date.parse(time) - atMs) < CHILD_MS,
  );
  const reason: KillReason | null = child
    ? {
        words: `its child ${printable(child.victim.comm)} (pid ${child.victim.pid}) was killed with ${child.signal} ${authorPhrase(child.by)}`,
        source: 'event',
      }
    : null;
  return { kind: 'self', name: comm, means: null, process: null, reason, unknown: null };
}
