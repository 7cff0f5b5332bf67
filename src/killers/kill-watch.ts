/**
 * Emits a `process.killed` for each process that dies of a signal: which signal, who sent it, and why.
 */
import { Subject } from 'rxjs';
import type { Deaths } from '../bpf/load/signals-loader.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { lossesByName } from '../bpf/wire/counters.ts';
import { SignalFact } from '../bpf/wire/layout.ts';
import { ownerOf } from '../containers/container-path.ts';
import type { ContainerResolver } from '../containers/container-resolver.ts';
import type { EnvelopeFactory } from '../events/envelope.ts';
import { LossCounter } from '../events/loss-counter.ts';
import type { Container } from '../model/container.ts';
import type { GuardAction } from '../model/guard.ts';
import type { OomKill } from '../model/oom-kill.ts';
import type { ProcessKilled } from '../model/process-killed.ts';
import type { TracerLost } from '../model/tracer.ts';
import { Arguments } from './arguments.ts';
import { type Death, has } from './death.ts';
import { DeathStream } from './death-stream.ts';
import { Journal } from './journal.ts';
import { KillDraft } from './kill-draft.ts';

/** Process 1 of a pid namespace, such as the main process of a container, exited with a status by itself. */
export interface InitExit {
  pid: number;
  comm: string;
  /** The name of its parent. */
  parentComm: string;
  /** 137, which is also what a runtime reports after SIGKILL. */
  exitCode: number;
  /** Milliseconds since 1970. */
  atMs: number;
  container: Container | null;
}

/** A kill by the OOM killer, and its cause in words. */
export interface OomCause {
  kill: OomKill;
  words: string;
}

export interface KillWatchOptions {
  deaths: Deaths;
  envelopes: EnvelopeFactory;
  containers?: ContainerResolver | undefined;
  emit: (event: ProcessKilled | TracerLost) => void;
  onError: (error: unknown) => void;
}

/** The OOM killer's own record of a kill comes through another ring, but long before the process has ended. */
const OOM_WAIT_MS = 500;
/** For the name of a container. */
const NAME_WAIT_MS = 50;
const MOST_REMEMBERED = 1024;

export class KillWatch implements Disposable {
  readonly hooks: DeathStream['hooks'];
  /** Hot: main processes of containers that exited with status 137 by themselves. */
  readonly initExits$ = new Subject<InitExit>();
  readonly #options: KillWatchOptions;
  readonly #stream: DeathStream;
  readonly #arguments = new Arguments();
  readonly #journal = new Journal();
  /** Kills by the OOM killer, by the identity of the victim. */
  readonly #oomKills = new Map<string, OomCause>();
  /** Signals of the guard, by the identity of the target. */
  readonly #guardKills = new Map<string, { id: string; words: string }>();
  /** Called when the OOM killer reports that it killed this process. */
  readonly #awaited = new Map<string, () => void>();
  /** The last deaths, for those who die because process 1 of their namespace did. */
  readonly #told = new Map<string, ProcessKilled>();
  readonly #open = new Set<KillDraft>();
  readonly #losses: LossCounter;

  /** Starts at once. @throws OomscopeError as DeathStream */
  constructor(options: KillWatchOptions) {
    this.#options = options;
    this.#losses = new LossCounter(options.envelopes);
    this.#stream = new DeathStream({
      deaths: options.deaths,
      onSignal: (record) => this.#arguments.read(record),
      onDeath: (death, batch) => this.#onDeath(death, batch),
      onCounters: (counters, malformed) => this.#onCounters(counters, malformed),
      onError: options.onError,
    });
    this.hooks = this.#stream.hooks;
  }

  /** Ties a kill by the OOM killer to the death of its victim. @param words the cause */
  onOomKill(kill: OomKill, words: string): void {
    const { pid, start_ticks } = kill.victim;
    if (kill.kind === 'already_dying' || start_ticks === null) return;
    const key = keyOf(pid, start_ticks);
    remember(this.#oomKills, key, { kill, words });
    this.#awaited.get(key)?.();
  }

  /** Ties a signal of the guard to the death of its target. */
  onGuard({ action, outcome, target, plan_id, rule }: GuardAction): void {
    if ((action !== 'term' && action !== 'kill') || outcome !== 'done') return;
    remember(this.#guardKills, keyOf(target.pid, target.start_ticks), {
      id: plan_id,
      words: `its rule "${rule}" fired`,
    });
  }

  /** How many records were lost so far because the ring was full, by kind. */
  lostSoFar(): Record<string, number> {
    return lossesByName(this.#losses.counters);
  }

  /** Detaches, and emits the events that still wait for a name or a reason. Idempotent. */
  close(): void {
    this.#stream.close();
    for (const draft of [...this.#open]) this.#finish(draft);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #onDeath(death: Death, batch: Batch): void {
    if (death.ppid === process.pid && this.#journal.hasStarted(death.pid)) return;
    if (death.signal === 0) {
      const { pid, comm, parentComm, cgroup } = death;
      const atMs = Number((death.endNs + batch.realtimeOffsetNs) / 1_000_000n);
      this.initExits$.next({ pid, comm, parentComm, exitCode: 137, atMs, container: this.#ownerOf(cgroup).container });
      return;
    }
    const draft = new KillDraft(death, batch.realtimeOffsetNs, {
      arguments: this.#arguments,
      journal: this.#journal,
      ownerOf: (path) => this.#ownerOf(path),
      envelopes: this.#options.envelopes,
      lost: () => this.#losses.total > 0,
      reaper: (pid, startTicks) => this.#told.get(keyOf(pid, startTicks)),
    });
    this.#open.add(draft);
    this.#complete(draft).catch(this.#options.onError);
  }

  async #complete(draft: KillDraft): Promise<void> {
    const { containers } = this.#options;
    const paths = draft.cgroupPaths;
    await Promise.all([
      this.#awaitOomKill(draft),
      draft.readFiles(),
      ...(containers ? paths.map((path) => containers.learn(path, NAME_WAIT_MS)) : []),
    ]);
    await draft.readReason();
    this.#finish(draft);
  }

  /** Resolves when the OOM killer's record is there, or at once if the OOM killer cannot have sent the signal. */
  async #awaitOomKill(draft: KillDraft): Promise<void> {
    const { death } = draft;
    if (!has(death, SignalFact.SIGNAL_FROM_KERNEL) || death.signal !== SIGKILL) return;
    if (has(death, SignalFact.SIGNAL_SENDER_EXITING) && has(death, SignalFact.SIGNAL_SENDER_IS_REAPER)) return;
    const key = keyOf(death.pid, death.start_ticks);
    if (!this.#oomKills.has(key)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, OOM_WAIT_MS).unref();
        this.#awaited.set(key, () => {
          clearTimeout(timer);
          resolve();
        });
      });
      this.#awaited.delete(key);
    }
    draft.oom = this.#oomKills.get(key);
  }

  #finish(draft: KillDraft): void {
    if (!this.#open.delete(draft)) return;
    const key = keyOf(draft.death.pid, draft.death.start_ticks);
    draft.oom ??= this.#oomKills.get(key);
    draft.guard = this.#guardKills.get(key);
    const event = draft.finish();
    remember(this.#told, key, event);
    this.#options.emit(event);
  }

  #onCounters(counters: number[], malformed: number): void {
    for (const event of [...this.#losses.malformed(malformed), ...this.#losses.take(counters)]) {
      this.#options.emit(event);
    }
  }

  #ownerOf(path: string | null) {
    return this.#options.containers?.ownerOf(path) ?? ownerOf(path);
  }
}

const SIGKILL = 9;
const keyOf = (pid: number, startTicks: number) => `${pid} ${startTicks}`;

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_REMEMBERED) map.delete(map.keys().next().value as string);
}
