/**
 * Turns the records about kills into events: `oom.kill` for each kill, and `oom.reaped` when the victim's memory is
 * freed.
 */
import type { Batch } from '../bpf/wire/batch.ts';
import {
  KillFact,
  OomAttemptRecord,
  OomCandidatesRecord,
  OomKillRecord,
  OomStepRecord,
  RecordKind,
} from '../bpf/wire/layout.ts';
import { ownerOf } from '../containers/container-path.ts';
import type { ContainerResolver } from '../containers/container-resolver.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { OrderedOutbox } from '../events/ordered-outbox.ts';
import { readComposition } from '../linux/cgroup-composition.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { readDyingProcess } from '../linux/dying-process.ts';
import { readProcess } from '../linux/process-reader.ts';
import type { SystemProbe } from '../linux/system-probe.ts';
import type { LeadUpRecorder } from '../memory/lead-up-recorder.ts';
import type { Candidate, Event, KillKind, OomKill } from '../model/events.ts';
import { KillDraft } from './kill-draft.ts';
import { type KillFacts, killFacts, type Machine } from './kill-facts.ts';
import { reapedMessage, stuckMessage } from './message.ts';
import { type Reaping, ReapTracker } from './reap-tracker.ts';
import { type StuckFacts, StuckTracker } from './stuck-tracker.ts';

export interface KillDecoderOptions {
  machine: Machine;
  system: Pick<SystemProbe, 'read' | 'composition'>;
  envelopes: EnvelopeFactory;
  /** Read facts that the kernel's record lacks from /proc/PID. */
  readProc: boolean;
  /** The files of cgroups. Without them a kill has no `composition`. */
  cgroups?: Cgroupfs | undefined;
  /** Finds the names of containers. Without a resolver, a kill has only the container's id, from the cgroup's path. */
  containers?: Pick<ContainerResolver, 'ownerOf' | 'unnamed' | 'learn'> | undefined;
  /** Records memory use, so that a kill can show the minute before it. Without a recorder, kills have no `lead_up`. */
  leadUps?: Pick<LeadUpRecorder, 'before'> | undefined;
  /** Gets every event, and emits them in the order in which their records were decoded. */
  outbox: OrderedOutbox<Event>;
  /** Called with an error that occurs while a kill is completed. */
  onError: (error: unknown) => void;
}

/** How long a kill waits at most for /proc/PID, for the names of containers and for its candidates. */
const PATIENCE_MS = 50;

export class KillDecoder {
  /** Kills so far, by kind. */
  readonly counts: Record<KillKind, number> = { killed: 0, already_dying: 0, group_member: 0, shared_memory: 0 };
  readonly #options: KillDecoderOptions;
  readonly #reapTracker: ReapTracker;
  readonly #stuckTracker: StuckTracker | undefined;
  /** Kills that wait for their candidates, by the tid of the victim. */
  readonly #waiting = new Map<number, (record: OomCandidatesRecord) => void>();
  /** Attempts in this batch that the stuck tracker has not got yet: the kill that most of them lead to comes first. */
  readonly #attempts: OomAttemptRecord[] = [];
  #closed = false;

  constructor(options: KillDecoderOptions) {
    this.#options = options;
    this.#reapTracker = new ReapTracker(options.machine.pageBytes, (reaping) => this.#onReaped(reaping));
    const { cgroups, containers } = options;
    if (cgroups) {
      const name = (path: string) => containers?.ownerOf(path) ?? ownerOf(path);
      this.#stuckTracker = new StuckTracker({ cgroups, ownerOf: name, emit: (facts, at) => this.#onStuck(facts, at) });
    }
  }

  /** Decodes one record of a batch. Ignores records that are not about a kill, and after close() all records. */
  take(kind: number, at: number, batch: Batch): void {
    if (this.#closed) return; // a handler of an earlier record in this batch may have closed the decoder
    const { view } = batch;
    if (kind === RecordKind.RECORD_OOM_KILL) this.#onKill(new OomKillRecord(view, at), batch);
    else if (kind === RecordKind.RECORD_OOM_STEP) this.#reapTracker.step(new OomStepRecord(view, at));
    else if (kind === RecordKind.RECORD_OOM_ATTEMPT) this.#attempts.push(new OomAttemptRecord(view, at));
    else if (kind === RecordKind.RECORD_OOM_CANDIDATES) this.#onCandidates(new OomCandidatesRecord(view, at));
  }

  /** Called after the last record of a batch. */
  endBatch(): void {
    for (const attempt of this.#attempts.splice(0)) this.#stuckTracker?.take(attempt);
  }

  /** Reports the victims whose memory has not been freed, as unfinished. */
  close(): void {
    this.#reapTracker.close();
    this.#stuckTracker?.close();
    this.#closed = true;
  }

  #onKill(record: OomKillRecord, batch: Batch): void {
    const { machine, readProc, outbox } = this.#options;
    const facts = killFacts(record, machine);
    const monoNs = record.header.ktime_ns;
    const { victim } = facts;
    if (this.#reapTracker.follows(victim.pid, victim.start_ticks)) return; // another mark of the same victim
    this.#addComposition(facts, monoNs); // first: the victim is freeing its memory
    const draft = this.#draft(facts, monoNs, batch.realtimeOffsetNs);
    const waiting: Promise<unknown>[] = [];
    if (readProc && draft.lacksVictimFacts) waiting.push(this.#readFiles(draft));
    const unnamed = this.#unnamed(draft);
    if (unnamed.length > 0) waiting.push(this.#learn(unnamed));
    if (record.facts & KillFact.FACT_CANDIDATES) waiting.push(this.#awaitCandidates(draft));
    if (waiting.length === 0) outbox.push(this.#finish(draft));
    else void this.#sendAfter(waiting, draft);
    this.endBatch();
    this.#stuckTracker?.onKill(facts); // afterwards: its event follows the kill that ended the shortage
  }

  #addComposition(facts: KillFacts, monoNs: bigint): void {
    const { limit } = facts;
    const { cgroups, system } = this.#options;
    if (!limit || !cgroups) return;
    const found = system.composition(monoNs);
    const { id, path } = limit;
    const place = { id, version: cgroups.version };
    facts.composition = found === undefined ? readComposition(cgroups.directory(path), place, Number(monoNs)) : found;
    if (!facts.composition) facts.missing.push('composition');
  }

  #draft(facts: KillFacts, monoNs: bigint, offsetNs: bigint): KillDraft {
    const { system: probe, envelopes } = this.#options;
    const system = probe.read(monoNs);
    const source = facts.kind === 'shared_memory' ? 'bpf:signal/signal_generate' : 'bpf:oom/mark_victim';
    const severity = facts.kind === 'already_dying' ? 'warning' : 'critical';
    const envelope = envelopes.open(monoNs, offsetNs, severity, source);
    this.counts[facts.kind]++;
    const { id, mono_ns } = envelope;
    const { victim, limit, signal_to_mark_ns } = facts;
    if (facts.kind !== 'shared_memory') this.#reapTracker.start({ id, mono_ns, victim, limit, signal_to_mark_ns });
    return new KillDraft(facts, { envelope, system, lead_up: this.#leadUp(facts, monoNs) });
  }

  #finish(draft: KillDraft): OomKill {
    const { containers } = this.#options;
    return draft.finish((path) => containers?.ownerOf(path) ?? ownerOf(path));
  }

  /** Emits a kill when all its facts have been collected, or after PATIENCE_MS. Never rejects. */
  async #sendAfter(waiting: Promise<unknown>[], draft: KillDraft): Promise<void> {
    const { outbox, onError } = this.#options;
    const release = outbox.hold(() => this.#finish(draft));
    const send = () => {
      clearTimeout(timer);
      this.#waiting.delete(draft.facts.victim.tid);
      release();
    };
    const timer = setTimeout(() => attempt(send, onError), PATIENCE_MS);
    await Promise.all(waiting).catch(onError);
    attempt(send, onError);
  }

  async #readFiles(draft: KillDraft): Promise<void> {
    const { pid, tid, cgroup } = draft.facts.victim;
    draft.addFiles(await readDyingProcess(pid, tid));
    if (cgroup === null) await this.#learn(this.#unnamed(draft));
  }

  /** Resolves when the record with the kill's candidates has arrived. */
  #awaitCandidates(draft: KillDraft): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(draft.facts.victim.tid, (record) => {
        draft.addCandidates(record, this.#options.machine.pageBytes, cgroupOf);
        void this.#learn(this.#unnamed(draft)).then(resolve, reject);
      });
    });
  }

  #onCandidates(record: OomCandidatesRecord): void {
    this.#waiting.get(record.victim_tid)?.(record);
    this.#waiting.delete(record.victim_tid);
  }

  /** The paths of cgroups whose container has no known name yet. */
  #unnamed(draft: KillDraft): string[] {
    const { containers } = this.#options;
    return containers ? draft.cgroupPaths.filter((path) => containers.unnamed(path).length > 0) : [];
  }

  async #learn(paths: string[]): Promise<void> {
    await Promise.all(paths.map((path) => this.#options.containers?.learn(path)));
  }

  /** The minute before the kill, for the cgroup whose limit was hit or for the system. */
  #leadUp({ limit, scope }: KillFacts, monoNs: bigint): OomKill['lead_up'] {
    const { leadUps } = this.#options;
    if (!leadUps || (limit === null && scope === 'cgroup')) return null;
    return leadUps.before(limit?.path, Number(monoNs) / 1e6, limit?.usage_bytes);
  }

  #onStuck(facts: StuckFacts, atNs: bigint): void {
    const { envelopes, outbox } = this.#options;
    const severity = facts.state === 'stuck' ? 'critical' : 'info';
    const message = stuckMessage(facts);
    outbox.push({
      ...envelopes.next(atNs, realtimeOffsetNs(), severity, 'bpf:vmscan/reclaim+cgroup', message),
      ...facts,
    });
  }

  #onReaped({ atNs, facts }: Reaping): void {
    const { envelopes, outbox } = this.#options;
    const severity = facts.outcome === 'unfinished' && !facts.cut_short ? 'warning' : 'info';
    const message = reapedMessage(facts);
    outbox.push({ ...envelopes.next(atNs, realtimeOffsetNs(), severity, 'bpf:oom/reaper', message), ...facts });
  }
}

function attempt(step: () => void, onError: (error: unknown) => void): void {
  try {
    step();
  } catch (error) {
    onError(error);
  }
}

/** The cgroup of a candidate that still lives. On cgroup v1 the file of an exiting process says "/". */
function cgroupOf({ pid, comm }: Candidate): string | null {
  const one = readProcess(pid, ['stat', 'cgroup']);
  return one && one.comm === comm && !one.exiting ? one.cgroup : null;
}
