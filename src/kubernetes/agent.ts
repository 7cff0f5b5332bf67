/**
 * The part of `oomscope run` that knows Kubernetes: it adds the pod and the container to events, and writes Events to the API.
 * Without the API, names come from the files on the node, and Events wait.
 */
import type { CgroupOwner } from '../model/container.ts';
import type { Event } from '../model/events.ts';
import type { KubernetesFacts } from '../model/kubernetes.ts';
import type { Access } from './access.ts';
import { KubernetesClient } from './client.ts';
import { type EventCounts, EventWriter } from './event-writer.ts';
import { NodeCondition } from './node-condition.ts';
import { eventsOfKill, eventsOfStuck } from './object-event.ts';
import { PodDirectory } from './pod-directory.ts';
import { PodWatch } from './pod-watch.ts';
import { missingRule } from './rights.ts';

export interface AgentOptions {
  access: Access;
  /** The name of the node in Kubernetes. */
  node: string;
  /** Whether to write Events. */
  events: boolean;
  allowExec?: boolean;
  /** A directory for Events that wait, so that they survive this process; undefined: they wait in memory. */
  spool?: string | undefined;
  /** From which pressure on the node gets the condition MemoryContention (percent); undefined: it gets none. */
  contentionPercent?: number | undefined;
  /** Called with sentences for the log. */
  tell: (sentence: string) => void;
}

/** How long an Event waits for the name of a pod that was created moments ago (ms). */
const NAME_MS = 1000;
/** Kills whose facts are remembered, for events that have only the id of the kill. */
const MOST_KILLS = 256;

export class KubernetesAgent implements AsyncDisposable {
  readonly pods = new PodDirectory();
  readonly #options: AgentOptions;
  readonly #client: KubernetesClient;
  readonly #watch: PodWatch;
  readonly #writer: EventWriter | undefined;
  readonly #condition: NodeCondition | undefined;
  readonly #kills = new Map<string, KubernetesFacts>();
  readonly #late = new Set<NodeJS.Timeout>();
  #problem: string | undefined = 'the pods of the node were not read yet';

  /**
   * Reads the pods of the node in the background, and then follows them.
   *
   * @throws OomscopeError USAGE: the spool is not private to this user, or another process uses it
   */
  constructor(options: AgentOptions) {
    const { access, node, events, allowExec = false, spool, contentionPercent: percent, tell } = options;
    this.#options = options;
    this.#client = new KubernetesClient(access, { allowExec });
    this.#writer = events ? new EventWriter({ client: this.#client, tell, directory: spool }) : undefined;
    this.#condition =
      percent === undefined ? undefined : new NodeCondition({ client: this.#client, node, percent, tell });
    this.#watch = new PodWatch({
      ...{ client: this.#client, directory: this.pods, node },
      onTrouble: (problem) => {
        this.#problem = problem;
        if (problem === undefined) tell(`Kubernetes: ${this.pods.size} pods on the node ${node}.`);
        else tell(troubleText(problem));
      },
    });
  }

  /** Resolves when the pods were read, or the first attempt has failed. */
  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  /** The name of the node in Kubernetes. */
  get node(): string {
    return this.#options.node;
  }

  /** Why the pods of the node are not known; undefined: they are. For /readyz. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get counts(): EventCounts & { requests: number; pods: number } {
    const none = { written: 0, refused: 0, dropped: 0, waiting: 0 };
    return { ...(this.#writer?.counts ?? none), requests: this.#client.requests, pods: this.pods.size };
  }

  /** The event with the field `kubernetes`, if it is about a pod; otherwise the event itself. */
  enrich<E extends Event>(event: E): E {
    const owner = ownerIn(event);
    const killId = 'kill_id' in event ? event.kill_id : null;
    const facts = owner ? this.pods.factsOf(owner) : killId === null ? undefined : this.#kills.get(killId);
    if (!facts) return event;
    if (event.type === 'oom.kill') this.#remember(event.id, facts);
    const { message, ...rest } = event;
    return Object.freeze({ ...rest, kubernetes: facts, message }) as E;
  }

  /** Writes the Events of an event that enrich() has returned. Never blocks, never throws. */
  take(event: Event): void {
    if (!this.#writer || (event.type !== 'oom.kill' && event.type !== 'oom.stuck')) return;
    const facts = event.kubernetes;
    if (facts === undefined || facts.pod !== null) {
      this.#write(event);
      return;
    }
    // The kill came before the watch has told of the pod.
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      this.#write(this.enrich(event));
    }, NAME_MS).unref();
    this.#late.add(timer);
  }

  async close(): Promise<void> {
    for (const timer of this.#late) clearTimeout(timer);
    this.#watch[Symbol.dispose]();
    await this.#condition?.[Symbol.asyncDispose]();
    await this.#writer?.close();
    this.#client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #write(event: Event): void {
    const facts = event.kubernetes ?? null;
    const { node } = this.#options;
    const events =
      event.type === 'oom.kill'
        ? eventsOfKill(event, facts, node)
        : event.type === 'oom.stuck'
          ? eventsOfStuck(event, facts, node)
          : [];
    for (const each of events) this.#writer?.offer(each);
  }

  #remember(id: string, facts: KubernetesFacts): void {
    this.#kills.set(id, facts);
    if (this.#kills.size > MOST_KILLS) this.#kills.delete(this.#kills.keys().next().value as string);
  }
}

function troubleText(problem: string): string {
  const rule = missingRule(problem);
  const lacking = rule === undefined ? '' : `; its role lacks the rule ${rule}`;
  return `Kubernetes: the pods of this node cannot be read (${problem}${lacking}): names come from files on the node.`;
}

/** The process, cgroup or target that an event is about, if it is in a pod. */
function ownerIn(event: Event): CgroupOwner | undefined {
  const fields = event as unknown as Record<string, unknown>;
  const subjects = [event, fields.victim, fields.target, fields.cgroup, fields.subject];
  return subjects.find(isInPod);
}

function isInPod(value: unknown): value is CgroupOwner {
  return (
    typeof value === 'object' && value !== null && 'pod' in value && value.pod !== null && typeof value.pod === 'object'
  );
}
