/**
 * The condition MemoryContention of the node, off by default: whether all its tasks wait for memory again and again. It is
 * written when it changes and each five minutes, never for a kill: in a storm of kills a large cluster would get thousands of
 * requests a second (node-problem-detector#124).
 */
import { parsePressure } from '../linux/psi.ts';
import { SmallFile } from '../linux/small-file.ts';
import type { SystemState } from '../model/oom-kill.ts';
import { ApiError, type KubernetesClient } from './client.ts';
import { missingRule } from './rights.ts';

export interface NodeConditionOptions {
  client: KubernetesClient;
  /** The name of the node in Kubernetes. */
  node: string;
  /** The share of time in which no task could run for lack of memory, from which there is contention (percent). */
  percent: number;
  /** Called with sentences for the log. */
  tell: (sentence: string) => void;
  /** For tests: the pressure of the node, and the time between two looks (ms). */
  read?: () => SystemState['pressure'];
  everyMs?: number;
  now?: () => number;
}

export const CONDITION = 'MemoryContention';
const EVERY_MS = 10_000;
const HEARTBEAT_MS = 300_000;
/** Where the right is missing, it is asked for again after this time (ms). */
const DENIED_MS = 300_000;
/** Time until a write is tried again that failed otherwise, up to twice as long (ms). */
const FAILED_MS = 30_000;

/**
 * The rule of KEP-5394: contention begins when the averages of 10 s and of 60 s reach the threshold, and ends when that of 60 s
 * is below it.
 */
export function isContended(before: boolean, full: { avg10: number; avg60: number }, percent: number): boolean {
  return full.avg60 >= percent && (before || full.avg10 >= percent);
}

export class NodeCondition implements AsyncDisposable {
  readonly #options: NodeConditionOptions;
  readonly #file: SmallFile | undefined;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #ended = new AbortController();
  /** undefined: the pressure was not read yet. */
  #status: boolean | undefined;
  #since = 0;
  #writtenAt = Number.NEGATIVE_INFINITY;
  /** Until when nothing is sent, because the server has refused it (ms). */
  #deniedUntil = 0;
  #told = '';
  #writing: Promise<void> | undefined;

  constructor(options: NodeConditionOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#file = options.read ? undefined : SmallFile.open('/proc/pressure/memory');
    this.#timer = setInterval(() => this.#look(), options.everyMs ?? EVERY_MS).unref();
    this.#look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#ended.abort();
    await this.#writing;
    this.#file?.close();
  }

  #look(): void {
    const { read = () => parsePressure(this.#file?.read()), percent } = this.#options;
    const full = read()?.full;
    if (!full) {
      this.#tellOnce(`the condition ${CONDITION} is not known: the kernel has no PSI, or PSI is switched off`);
      return;
    }
    const now = this.#now();
    const status = isContended(this.#status ?? false, full, percent);
    if (status !== this.#status) {
      this.#status = status;
      this.#since = now;
      this.#writtenAt = Number.NEGATIVE_INFINITY;
    }
    if (this.#writing || now < this.#writtenAt + HEARTBEAT_MS || now < this.#deniedUntil) return;
    this.#writing = this.#write(status, full, now).finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(status: boolean, full: { avg10: number; avg60: number }, now: number): Promise<void> {
    const { client, node, percent } = this.#options;
    const time = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;
    const condition = {
      ...{ type: CONDITION, status: status ? 'True' : 'False' },
      reason: status ? 'TasksWaitForMemory' : 'NoMemoryContention',
      message: `No task could run for lack of memory in ${full.avg10} % of 10 s and ${full.avg60} % of 60 s; the threshold is ${percent} %.`,
      ...{ lastHeartbeatTime: time(now), lastTransitionTime: time(this.#since) },
    };
    // A strategic merge patch changes the condition of this type, and leaves those of the kubelet.
    const body = { status: { conditions: [condition] } };
    const path = `/api/v1/nodes/${encodeURIComponent(node)}/status`;
    try {
      await client.request(path, { method: 'PATCH', body, signal: this.#ended.signal });
      // A change while it was written is written at the next look.
      if (this.#status === status) this.#writtenAt = now;
      this.#told = '';
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      const isDenied = error instanceof ApiError && error.status === 403;
      const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      this.#deniedUntil = now + (isDenied ? DENIED_MS : Math.max(asked, FAILED_MS * (1 + Math.random())));
      const { message } = error as Error;
      const rule = missingRule(message);
      const lacking = rule === undefined ? '' : `; the agent's role lacks the rule ${rule}`;
      this.#tellOnce(`the condition ${CONDITION} of the node ${node} was not written: ${message}${lacking}`);
    }
  }

  #tellOnce(problem: string): void {
    if (problem === this.#told) return;
    this.#told = problem;
    this.#options.tell(`Kubernetes: ${problem}.`);
  }
}
