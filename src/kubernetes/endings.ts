/**
 * Judges the ends of containers as Kubernetes reports them. A runtime says OOMKilled when the cgroup's counter `oom_kill` is not
 * 0, so a child that was killed days ago labels every later end (kubernetes#140716). Pure functions.
 */
import { formatSpan } from '../text/format.ts';
import { items, number, record, text } from './foreign.ts';

/** A kill that oomscope has written as an Event on the pod. */
export interface KnownKill {
  /** The container; null: unknown. */
  container: string | null;
  /** The container ended with it, or only a process in it. */
  isMain: boolean;
  /** When the first and the last kill of the Event happened (ms since 1970). */
  firstMs: number;
  lastMs: number;
  /** How many kills the Event stands for. */
  count: number;
  note: string;
}

/** The kubelet has told the runtime to end a container: its Event `Killing`. */
export interface KubeletStop {
  /** null: unknown. */
  container: string | null;
  /** When the first and the last stop with these words began (ms since 1970). */
  firstMs: number;
  lastMs: number;
  /** Why, in the kubelet's own words: "Container app failed liveness probe, will be restarted". */
  words: string;
}

/** An end of a container, from its status. */
export interface Ending {
  container: string;
  /** `reason`, as Kubernetes shows it: "OOMKilled", "Error", "Completed". */
  reason: string;
  exitCode: number;
  startedMs: number | null;
  finishedMs: number | null;
}

/**
 * - `true`: the OOM killer ended the container. `child`: it killed a process in it, and the container ended with that process.
 * - `false`: something else ended the container. `missed`: the OOM killer ended it, but the status does not say so.
 * - `evicted`: the kubelet ended the pod, because memory was short on its node.
 * - `unknown`: the Events that would tell are gone, or there was no agent.
 */
export type Verdict = 'true' | 'child' | 'false' | 'missed' | 'evicted' | 'unknown';

export interface Judgement {
  verdict: Verdict;
  /** One sentence: what ended the container, and how this is known. */
  why: string;
}

/** The time of a status has whole seconds, and the runtime needs some time to notice an end (ms). */
const NEAR_MS = 5000;

/**
 * @param stops what the kubelet has told about the pod
 * @returns undefined: the end has nothing to do with memory
 */
export function judge(
  ending: Ending,
  kills: readonly KnownKill[],
  stops: readonly KubeletStop[] = [],
): Judgement | undefined {
  const own = kills.filter(({ container }) => container === null || container === ending.container);
  const within = own.filter((kill) => isWithin(kill, ending));
  const last = within.filter((kill) => isNear(kill, ending));
  const main = last.find(({ isMain }) => isMain);
  const child = last.find(({ isMain }) => !isMain);
  const said = ending.reason === 'OOMKilled';
  if (main && ending.exitCode === 137)
    return {
      verdict: said ? 'true' : 'missed',
      why: `${said ? '' : `The status says ${ending.reason}. `}${main.note}`,
    };
  if (!said && !child) return undefined;
  if (child) {
    const how =
      ending.exitCode === 137
        ? 'the container ended with it'
        : `the main process then ended by itself, ${exitText(ending.exitCode)}`;
    return {
      verdict: 'child',
      why: `The kernel killed a process of the container, and ${how}. ${child.note}`,
    };
  }
  if (ending.exitCode !== 137)
    return {
      verdict: 'false',
      why: `${endText(ending.exitCode)}${stopText(stops, ending)}${labelText(within, ending)}`,
    };
  const before = within.filter((kill) => kill.count === 1 || kill.lastMs < (ending.finishedMs ?? 0) - NEAR_MS);
  if (before.length > 0 && before.length === within.length && ending.finishedMs !== null) {
    return {
      verdict: 'false',
      why: `Another SIGKILL ended it, not the OOM killer${stopText(stops, ending) || ': a timeout of its stop, a liveness probe, or an eviction'}${labelText(within, ending)}`,
    };
  }
  return {
    verdict: 'unknown',
    why: 'No Event of oomscope tells of a kill at this time: it has expired, or no agent ran on the node.',
  };
}

/** The kill happened while this container ran, or the times are unknown. */
function isWithin({ firstMs, lastMs }: KnownKill, { startedMs, finishedMs }: Ending): boolean {
  return lastMs >= (startedMs ?? 0) - 1000 && firstMs <= (finishedMs ?? Number.POSITIVE_INFINITY) + NEAR_MS;
}

function isNear(kill: KnownKill, { finishedMs }: Ending): boolean {
  if (finishedMs === null) return false;
  const near = (ms: number) => Math.abs(finishedMs - ms) <= NEAR_MS;
  // Of the kills between the first and the last of a series, the times are not known.
  return (
    near(kill.firstMs) || near(kill.lastMs) || (kill.count > 2 && kill.firstMs < finishedMs && finishedMs < kill.lastMs)
  );
}

/** Empty: the kubelet has told nothing about this end. */
function stopText(stops: readonly KubeletStop[], ending: Ending): string {
  const words = stops.findLast((stop) => isStopOf(stop, ending))?.words;
  return words === undefined ? '' : `. The kubelet had it ended: "${words}"`;
}

/** A stop begins before the end, sooner or later as the container takes its grace period. */
function isStopOf(
  { container, firstMs, lastMs }: KubeletStop,
  { container: own, startedMs, finishedMs }: Ending,
): boolean {
  if (finishedMs === null || (container !== null && container !== own)) return false;
  return [firstMs, lastMs].some((ms) => ms >= (startedMs ?? 0) - 1000 && ms <= finishedMs + 1000);
}

function labelText(kills: readonly KnownKill[], { finishedMs }: Ending): string {
  const last = kills.reduce<KnownKill | undefined>((a, b) => (a && a.lastMs > b.lastMs ? a : b), undefined);
  if (!last || finishedMs === null)
    return '. The label comes from an earlier OOM kill in the container, which it survived.';
  const ago = formatSpan(Math.max(0, (finishedMs - last.lastMs) / 1000));
  return `. The label comes from an OOM kill ${ago} earlier, which the container survived: ${last.note}`;
}

function endText(exitCode: number): string {
  if (exitCode === 143) return 'A SIGTERM ended it (exit code 143): it was told to stop';
  if (exitCode > 128 && exitCode <= 128 + 64) return `Signal ${exitCode - 128} ended it (exit code ${exitCode})`;
  return `It ended by itself, ${exitText(exitCode)}`;
}

const exitText = (exitCode: number) => (exitCode === 0 ? 'with success' : `with exit code ${exitCode}`);

/** The present and the last end of each container of a pod. */
export function endingsOf(pod: unknown): Ending[] {
  const status = record(record(pod).status);
  const lists = [status.containerStatuses, status.initContainerStatuses, status.ephemeralContainerStatuses];
  return lists.flatMap(items).flatMap((each) => {
    const { name, state, lastState } = record(each);
    const container = text(name);
    return [record(lastState).terminated, record(state).terminated].flatMap((terminated) => {
      const { reason, exitCode, startedAt, finishedAt } = record(terminated);
      const code = number(exitCode);
      return container === null || code === null
        ? []
        : [
            {
              container,
              reason: text(reason) ?? '',
              exitCode: code,
              startedMs: millis(startedAt),
              finishedMs: millis(finishedAt),
            },
          ];
    });
  });
}

/**
 * The eviction of a pod because memory was short on its node. undefined: there was none.
 *
 * @returns the kubelet's own words, and the time by the pod's condition, which kubelets before 1.26 do not set (null)
 */
export function evictionOf(pod: unknown): { words: string; atMs: number | null } | undefined {
  const { reason, message, conditions } = record(record(pod).status);
  const words = text(message);
  // pkg/kubelet/eviction/helpers.go: nodeLowMessageFmt. "ephemeral-storage" and others are no matter of memory.
  if (reason !== 'Evicted' || words === null || !/\bresource: memory\b/.test(words)) return undefined;
  const target = items(conditions).find((each) => record(each).type === 'DisruptionTarget');
  return { words, atMs: millis(record(target).lastTransitionTime) };
}

/** The kill of an Event that oomscope has written. undefined: the Event is of another kind. */
export function killOf(event: unknown): KnownKill | undefined {
  const { reason, regarding, eventTime, series, note } = record(event);
  const first = millis(eventTime);
  if (first === null || (reason !== 'ContainerOOMKilled' && reason !== 'ProcessOOMKilled')) return undefined;
  const { count, lastObservedTime } = record(series);
  return {
    container: containerOf(regarding),
    isMain: reason === 'ContainerOOMKilled',
    ...{ firstMs: first, lastMs: Math.max(first, millis(lastObservedTime) ?? first) },
    ...{ count: number(count) ?? 1, note: text(note) ?? '' },
  };
}

/** The stop that an Event of the kubelet tells. undefined: the Event is of another kind. */
export function stopOf(event: unknown): KubeletStop | undefined {
  const { reason, regarding, note, eventTime, reportingController } = record(event);
  const { deprecatedSource, deprecatedFirstTimestamp, deprecatedLastTimestamp } = record(event);
  const words = text(note);
  const first = millis(deprecatedFirstTimestamp) ?? millis(eventTime);
  const by = text(reportingController) || text(record(deprecatedSource).component);
  if (reason !== 'Killing' || by !== 'kubelet' || words === null || first === null) return undefined;
  return { container: containerOf(regarding), firstMs: first, lastMs: millis(deprecatedLastTimestamp) ?? first, words };
}

/** "spec.containers{app}" of an Event: "app". */
const containerOf = (regarding: unknown) => /\{(.+)\}$/.exec(text(record(regarding).fieldPath) ?? '')?.[1] ?? null;

function millis(value: unknown): number | null {
  const ms = Date.parse(text(value) ?? '');
  return Number.isNaN(ms) ? null : ms;
}
