/**
 * From records to events: each kill complete, in order, followed by how its memory came back.
 */

import type { Batch } from '../bpf/wire/batch.ts';
import { KillFact, OomCandidatesRecord, OomKillRecord, OomStepRecord, RecordKind } from '../bpf/wire/layout.ts';
import { ownerOf } from '../containers/container-path.ts';
import type { Containers } from '../containers/containers.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { OrderedOutbox } from '../events/ordered-outbox.ts';
import { type DyingProcess, readDyingProcess } from '../linux/dying-process.ts';
import type { SystemProbe } from '../linux/system.ts';
import type { LeadUpRecorder } from '../memory/lead-up-recorder.ts';
import type { Event, KillKind, OomKill, OomReaped } from '../model/events.ts';
import { formatBytes, formatNs } from '../text/format.ts';
import { decode, printable, splitNul } from '../text/printable.ts';
import { candidatesOf, type KillFacts, killFacts, type Machine, rawOf } from './kill-facts.ts';
import { killMessage } from './message.ts';
import { type Reaping, ReapTracker } from './reap-tracker.ts';

export interface KillsOptions {
  machine: Machine;
  system: Pick<SystemProbe, 'read'>;
  envelopes: EnvelopeFactory;
  /** Read what the kernel's record lacks from /proc/PID. */
  readProc: boolean;
  /** Knows the names of containers. Without it a kill has what the paths tell. */
  containers?: Containers | undefined;
  /** Where what was before a kill is recorded, if it is. */
  leadUps?: LeadUpRecorder | undefined;
  emit: (event: Event) => void;
}

/** How long a kill waits for /proc/PID, or for its candidates, before it goes out without. */
const PATIENCE_MS = 50;

export class Kills {
  /** So far, by kind. */
  readonly counts: Record<KillKind, number> = { killed: 0, already_dying: 0, group_member: 0, shared_memory: 0 };
  readonly #options: KillsOptions;
  readonly #line: OrderedOutbox<Event>;
  readonly #reapTracker: ReapTracker;
  readonly #awaitCandidates = new Map<number, { event: OomKill; arrived: () => void }>();
  #closed = false;

  constructor(options: KillsOptions) {
    this.#options = options;
    this.#line = new OrderedOutbox(options.emit);
    this.#reapTracker = new ReapTracker(options.machine.pageBytes, (reaping) => this.push(this.#reaped(reaping)));
  }

  /**
   * @returns how many records could not be understood; and whether the last word of the batch was that an OOM is ahead
   */
  take(batch: Batch): { malformed: number; ahead: boolean } {
    const { view } = batch;
    let ahead = false;
    const malformed = batch.walk((kind, at) => {
      if (this.#closed) return; // by a handler, in the middle of the batch
      if (kind === RecordKind.RECORD_OOM_KILL) this.#onKill(new OomKillRecord(view, at), batch);
      else if (kind === RecordKind.RECORD_OOM_CANDIDATES) this.#onCandidates(new OomCandidatesRecord(view, at));
      else if (kind === RecordKind.RECORD_OOM_STEP) this.#reapTracker.step(new OomStepRecord(view, at));
      ahead = kind === RecordKind.RECORD_OOM_IMMINENT;
    });
    return { malformed, ahead };
  }

  /** Another event that belongs in the line. */
  push(event: Event): void {
    this.#line.push(event);
  }

  /** Lets out what is waiting and reports the victims that are not gone. */
  close(): void {
    this.#line.flush();
    this.#reapTracker.close();
    this.#closed = true;
  }

  #onKill(record: OomKillRecord, batch: Batch): void {
    const { machine, system, envelopes, readProc } = this.#options;
    const facts = killFacts(record, machine);
    const { victim } = facts;
    if (this.#reapTracker.follows(victim.pid, victim.start_ticks)) return; // another mark of the same victim
    const monoNs = record.header.ktime_ns;
    const state = system.read(Number(process.hrtime.bigint() - monoNs));
    const source = facts.kind === 'shared_memory' ? 'bpf:signal/signal_generate' : 'bpf:oom/mark_victim';
    const severity = facts.kind === 'already_dying' ? 'warning' : 'critical';
    const event: OomKill = {
      ...envelopes.next(monoNs, batch.realtimeOffsetNs, severity, source, ''),
      type: 'oom.kill',
      ...facts,
      system: state,
      lead_up: this.#leadUp(facts, monoNs),
      enrichment: 'live',
    };
    this.counts[event.kind]++;
    if (event.kind !== 'shared_memory') this.#reapTracker.start(event);
    this.#settle(event);
    const fromProc = readProc && event.missing.some((field) => field.startsWith('victim.'));
    const fromKernel = (record.facts & KillFact.FACT_CANDIDATES) !== 0;
    const toName = this.#unnamed(event);
    if (!fromProc && !fromKernel && toName.length === 0) {
      this.push(event);
      return;
    }
    const waiting: Promise<unknown>[] = [];
    if (fromProc) {
      const files = readDyingProcess(victim.pid, victim.tid).then((found) => complete(event, found));
      waiting.push(victim.cgroup === null ? files.then(() => this.#learn(this.#unnamed(event))) : files);
    }
    if (toName.length > 0) waiting.push(this.#learn(toName));
    if (fromKernel) {
      waiting.push(new Promise<void>((arrived) => this.#awaitCandidates.set(victim.tid, { event, arrived })));
    }
    const release = this.#line.hold(event);
    const timer = setTimeout(() => {
      this.#awaitCandidates.delete(victim.tid);
      release();
    }, PATIENCE_MS);
    Promise.all(waiting).then(() => {
      clearTimeout(timer);
      this.#settle(event);
      release();
    });
  }

  /** Paths of containers whose names are not known yet. */
  #unnamed({ victim, limit }: OomKill): string[] {
    const { containers } = this.#options;
    if (!containers) return [];
    const paths = [victim.cgroup, limit?.path].filter((path) => path != null);
    return paths.filter((path) => containers.unnamed(path).length > 0);
  }

  async #learn(paths: string[]): Promise<void> {
    await Promise.all(paths.map((path) => this.#options.containers?.learn(path)));
  }

  /** What follows from what is known by now. */
  #settle(event: OomKill): void {
    const { containers } = this.#options;
    const owner = (path: string) => containers?.ownerOf(path) ?? ownerOf(path);
    if (event.victim.cgroup !== null) Object.assign(event.victim, owner(event.victim.cgroup));
    if (event.limit) Object.assign(event.limit, owner(event.limit.path));
    event.message = killMessage(event);
    event.enrichment = event.victim.start_ticks === null ? 'lost' : event.missing.length === 0 ? 'live' : 'partial';
  }

  /** Of the cgroup whose limit was hit; of the system where it was none. */
  #leadUp({ limit, scope }: KillFacts, monoNs: bigint): OomKill['lead_up'] {
    const { leadUps } = this.#options;
    if (!leadUps || (limit === null && scope === 'cgroup')) return null;
    return leadUps.before(limit?.path, Number(monoNs) / 1e6, limit?.usage_bytes);
  }

  #onCandidates(record: OomCandidatesRecord): void {
    const waiting = this.#awaitCandidates.get(record.victim_tid);
    if (!waiting) return;
    this.#awaitCandidates.delete(record.victim_tid);
    waiting.event.candidates = candidatesOf(record, this.#options.machine.pageBytes);
    waiting.event.candidates_considered = record.considered;
    waiting.arrived();
  }

  #reaped({ atNs, facts }: Reaping): OomReaped {
    const who = `${facts.victim.comm === null ? 'The victim' : printable(facts.victim.comm)} (pid ${facts.victim.pid})`;
    const back = facts.mark_to_memory_back_ns;
    const after = facts.limit_usage_after_bytes;
    const message =
      back === null
        ? `${who} has not given its memory back yet.`
        : `${who} is gone; its memory was back ${formatNs(back)} after the mark${facts.outcome === 'reaped' ? ', by the OOM reaper' : ''}` +
          `${after === null ? '.' : `; its cgroup now uses ${formatBytes(after)}.`}`;
    const severity = facts.outcome === 'unfinished' ? 'warning' : 'info';
    return { ...this.#options.envelopes.next(atNs, realtimeOffsetNs(), severity, 'bpf:oom/reaper', message), ...facts };
  }
}

/** Fills in what /proc had and the kernel's record had not. */
function complete(event: OomKill, files: DyingProcess): void {
  const { victim } = event;
  // The pid may have a new owner by now: nothing of his belongs here.
  if (victim.start_ticks !== null && files.startTicks !== undefined && files.startTicks !== victim.start_ticks) return;
  victim.comm ??= files.comm ?? null;
  victim.process_comm ??= files.comm ?? null;
  victim.ppid ??= files.ppid ?? null;
  victim.start_ticks ??= files.startTicks ?? null;
  victim.exe ??= files.exe ?? null;
  victim.cgroup =
    victim.cgroup === null || victim.cgroup.includes('…') ? (files.cgroup ?? victim.cgroup) : victim.cgroup;
  if (files.cmdline && (victim.cmdline === null || victim.cmdline_truncated)) {
    const parts = splitNul(files.cmdline).map(decode);
    victim.cmdline = parts.map(({ text }) => text);
    victim.cmdline_truncated = false;
    if (parts.some(({ hex }) => hex !== undefined)) {
      victim.raw = { ...victim.raw, ...rawOf({ cmdline: files.cmdline.toString('hex') }) };
    }
  }
  event.missing = event.missing.filter((field) => {
    if (field === 'victim.cmdline') return victim.cmdline === null || victim.cmdline_truncated;
    if (field === 'victim.exe') return victim.exe === null;
    if (field === 'victim.cgroup') return victim.cgroup === null;
    return true;
  });
}
