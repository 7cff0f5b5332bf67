/**
 * Targets that are signalled at once when the kernel's countdown to its OOM killer has come far enough: by the kernel
 * itself, by the addon's poller thread, or from here. Who it is and how far was decided before, by whoever arms; an arming
 * that is not refreshed goes out by itself, and all of them go with this process.
 */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type Observable, Subject } from 'rxjs';
import { type BpfMap, UpdateFlag } from '../../bpf/libbpf/index.ts';
import { loadGuard } from '../../bpf/load/guard-loader.ts';
import { AttachedRing } from '../../bpf/load/ring.ts';
import type { Batch } from '../../bpf/wire/batch.ts';
import { lossesByName } from '../../bpf/wire/counters.ts';
import {
  ArmingSlot,
  ArmingState,
  GuardLimit,
  GuardOutcome,
  GuardSignalRecord,
  GuardTriggerRecord,
  RecordKind,
} from '../../bpf/wire/layout.ts';
import { OomscopeError } from '../../model/error.ts';
import { loadNative, type RecordField, type RingReader } from '../../native/addon.ts';
import { errnoName } from '../../native/errno.ts';
import { checked, failure } from '../../native/system-call.ts';
import { processAncestors } from '../../process/ancestors.ts';
import { neverSignal } from '../../process/never-signal.ts';
import type { ProcessHandle } from '../../process/process-handle.ts';
import { RaisedScores } from '../../process/raised-scores.ts';
import { UndoLedger } from '../../process/undo-ledger.ts';
import { type Adjustment, type ArmCondition, Armed, type PollerIds } from './armed.ts';

/** Who signals: the kernel's own program, the addon's thread that reads its records, or JavaScript. */
export type ArmingBackend = 'bpf' | 'addon' | 'typescript';

export interface ArmingOptions {
  /** By default the fastest that there is. */
  backend?: ArmingBackend;
  /** Where raised oom_score_adj values are recorded for the next start. Without it a crash leaves them raised. */
  ledger?: UndoLedger;
}

export interface ArmTerms {
  /** From now; refresh before that. */
  expiresInMs: number;
  /** While armed, so that the kernel, where it is faster, takes the same one. Never lowers what is. */
  oomScoreAdj?: number;
}

/** What came of an arming: at most one for each. Times are CLOCK_MONOTONIC. */
export interface Fired {
  armed: Armed;
  by: ArmingBackend;
  /** "gone", "dying": nothing was sent to it, or to anybody. */
  outcome: 'signalled' | 'gone' | 'dying' | 'refused';
  /** Why it was refused. */
  error: string | null;
  /** When the reclaim ended that met the condition. */
  triggerNs: bigint;
  /** Before the kernel's own program handed the signal over; null where it did not. */
  decidedNs: bigint | null;
  /** After the signal was sent. */
  signalNs: bigint | null;
  triggerTid: number;
  fruitlessRounds: number;
}

/** The kernel generated a signal for a target that had fired: the first one, whoever sent it. */
export interface SignalSeen {
  armed: Armed;
  triggerNs: bigint;
  signalNs: bigint;
  senderPid: number;
  byOomKiller: boolean;
}

/** @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, LIBBPF, OBJECT_MISSING, ADDON_MISSING, USAGE */
export function openArming(options: ArmingOptions = {}): Arming {
  return new Arming(options);
}

type Result = Pick<Fired, 'outcome' | 'error' | 'signalNs'>;

export class Arming implements Disposable {
  readonly backend: ArmingBackend;
  /** Why that one. */
  readonly reason: string;
  readonly fired$: Observable<Fired>;
  readonly signals$: Observable<SignalSeen>;

  readonly #fired = new Subject<Fired>();
  readonly #signals = new Subject<SignalSeen>();
  readonly #maps: { armings: BpfMap; expiries: BpfMap };
  readonly #ring: AttachedRing;
  readonly #reader: RingReader;
  readonly #scores: RaisedScores;
  readonly #own = processAncestors();
  /** A slot keeps its last arming: records of it may be on their way. */
  readonly #slots: (Armed | undefined)[] = Array(GuardLimit.ARMINGS).fill(undefined);
  #lastToken = 0n;
  #closed = false;

  constructor({ backend, ledger = UndoLedger.inMemory() }: ArmingOptions) {
    this.#scores = new RaisedScores(ledger);
    const guard = loadGuard(backend === undefined || backend === 'bpf');
    const { signals, reason, object } = guard;
    if (backend === 'bpf' && !signals) {
      guard.close();
      throw new OomscopeError('KERNEL_TOO_OLD', `The kernel cannot signal by itself here: ${reason}.`);
    }
    this.backend = signals ? 'bpf' : (backend ?? 'addon');
    this.reason = reason;
    this.fired$ = this.#fired.asObservable();
    this.signals$ = this.#signals.asObservable();
    this.#maps = { armings: object.map('armings'), expiries: object.map('expiries') };
    this.#ring = new AttachedRing(guard, {
      onBatch: (batch) => this.#onBatch(batch),
      onError: (error) => this.#fired.error(error),
      urgentKinds: [RecordKind.RECORD_GUARD_TRIGGER],
    });
    this.#reader = this.#ring.reader;
    loadNative().trimHeap();
  }

  /**
   * One target in a domain: another one takes its place. The handle stays the caller's, to be closed after it is disarmed.
   *
   * @throws OomscopeError PROCESS_GONE; USAGE where it must never be signalled, where it is not 10 ms old, where 16 are
   *   armed; SYSTEM_CALL
   */
  arm(handle: ProcessHandle, condition: ArmCondition, { expiresInMs, oomScoreAdj }: ArmTerms): Armed {
    if (this.#closed) throw new OomscopeError('CLOSED', 'The arming is closed.');
    this.#check(handle);
    const before = this.#slots.find((armed) => armed?.isArmed && armed.condition.domain === condition.domain);
    const slot = before?.slot ?? this.#slots.findIndex((armed) => !armed?.isArmed);
    if (slot < 0)
      throw new OomscopeError('USAGE', `Expected at most ${GuardLimit.ARMINGS} targets to be armed at a time.`);
    this.#slots[slot]?.disarm(); // one that has fired is held until here
    const token = ++this.#lastToken;
    const adjustment = oomScoreAdj === undefined ? 'none' : this.#raise(handle, oomScoreAdj);
    const expiresNs = this.#expire(slot, expiresInMs);
    const pollerIds = this.#armPoller(handle, condition, token, expiresNs);
    this.#maps.armings.update(key(slot), slotBytes(handle, condition), UpdateFlag.lock);
    this.#maps.armings.update(key(slot), slotBytes(handle, condition, token), UpdateFlag.lock);
    const armed = new Armed(
      { handle, condition, slot, token, pollerIds, adjustment },
      {
        refresh: (ms) => {
          const until = this.#expire(slot, ms);
          for (const id of pollerIds) this.#reader.refresh(id, until);
        },
        disarm: () => {
          this.#maps.armings.update(key(slot), new Uint8Array(ArmingSlot.size), UpdateFlag.lock);
          for (const id of pollerIds) this.#reader.disarm(id);
          if (adjustment === 'raised') this.#scores.restore(handle);
        },
      },
    );
    this.#slots[slot] = armed;
    return armed;
  }

  /** Records lost in the kernel's ring so far, by kind: what fired is then not told of. Signals do not depend on it. */
  lostSoFar(): Record<string, number> {
    return this.#closed ? {} : lossesByName(this.#reader.counters());
  }

  /** Disarms all, restores all, completes the streams. Idempotent. */
  close(): void {
    if (this.#closed) return;
    for (const armed of this.#slots) armed?.disarm();
    this.#ring.close();
    this.#closed = true;
    this.#scores.restoreAll();
    this.#fired.complete();
    this.#signals.complete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #check(handle: ProcessHandle): void {
    const why = neverSignal(handle.pid, this.#own);
    if (why !== undefined) throw new OomscopeError('USAGE', `Process ${handle.pid} is never a target: ${why}.`);
    // Who has its pid later has started later: in the kernel's program, too, the two are then told apart for sure.
    const ticks = Math.floor(Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 100);
    if (handle.startTicks >= ticks) {
      throw new OomscopeError('USAGE', `Process ${handle.pid} has started this moment: try again in 10 ms.`);
    }
    if (!handle.stillSame()) throw new OomscopeError('PROCESS_GONE', `Process ${handle.pid} has ended.`);
  }

  #raise(handle: ProcessHandle, to: number): Adjustment {
    try {
      return this.#scores.raise(handle, to) ? 'raised' : 'none';
    } catch (error) {
      return { refused: (error as Error).message }; // not worth to go unarmed for
    }
  }

  /**
   * The poller thread signals when the kernel's program asks (it cannot at all, or not this one), and has the memory of who
   * was killed released at once: until it is back the kernel may well kill a second one.
   */
  #armPoller(handle: ProcessHandle, condition: ArmCondition, token: bigint, expiresNs: bigint): PollerIds {
    if (this.backend === 'typescript') return [];
    const release = condition.signal === 'SIGKILL';
    const arm = (asked: bigint, signal: number) => {
      const { offset } = GuardTriggerRecord;
      const fields: RecordField[] = [
        { offset: offset.token, bytes: 8, value: token },
        { offset: offset.asked, bytes: 4, value: asked },
      ];
      const kind = RecordKind.RECORD_GUARD_TRIGGER;
      const id = this.#reader.arm({ pidfd: handle.fd, signal, release, expiresNs, kind, fields });
      return checked(id, 'fcntl', 'a copy of a pidfd');
    };
    const asked = arm(1n, constants.signals[condition.signal]);
    return this.backend === 'bpf' && release ? [asked, arm(0n, 0)] : [asked];
  }

  #expire(slot: number, inMs: number): bigint {
    const ns = process.hrtime.bigint() + BigInt(Math.round(inMs * 1e6));
    this.#maps.expiries.update(key(slot), new Uint8Array(BigUint64Array.of(ns).buffer));
    return ns;
  }

  #onBatch(batch: Batch): void {
    batch.walk((kind, at) => {
      if (kind === RecordKind.RECORD_GUARD_TRIGGER) this.#onTrigger(new GuardTriggerRecord(batch.view, at));
      else if (kind === RecordKind.RECORD_GUARD_SIGNAL) this.#onSignal(new GuardSignalRecord(batch.view, at));
    });
  }

  #onTrigger(record: GuardTriggerRecord): void {
    const armed = this.#byToken(record.token);
    if (!armed?.tell()) return;
    const asked = record.outcome === GuardOutcome.GUARD_ASKED;
    const result = !asked
      ? { by: 'bpf' as const, ...inKernel(record) }
      : this.backend === 'typescript'
        ? { by: 'typescript' as const, ...fromHere(armed) }
        : { by: 'addon' as const, ...this.#inPoller(armed) };
    this.#fired.next({
      armed,
      ...result,
      triggerNs: record.header.ktime_ns,
      decidedNs: record.decided_ktime_ns || null,
      triggerTid: record.trigger_tid,
      fruitlessRounds: record.fruitless_rounds,
    });
  }

  /** The poller thread had the record before it was delivered here. */
  #inPoller(armed: Armed): Result {
    for (const one of this.#reader.takeSignalled()) {
      const of = this.#slots.find((other) => other?.pollerIds[0] === one.id);
      if (of) of.signalled = one;
    }
    const done = armed.signalled;
    if (!done) return { outcome: 'refused', error: 'it had expired', signalNs: null };
    const code = failure(-done.errno);
    if (code === undefined) return { outcome: 'signalled', error: null, signalNs: done.signalNs };
    return { outcome: code === 'ESRCH' ? 'gone' : 'refused', error: code === 'ESRCH' ? null : code, signalNs: null };
  }

  #onSignal(record: GuardSignalRecord): void {
    const armed = this.#byToken(record.token);
    if (!armed) return;
    this.#signals.next({
      armed,
      triggerNs: record.trigger_ktime_ns,
      signalNs: record.header.ktime_ns,
      senderPid: record.sender_pid,
      byOomKiller: record.by_oom_killer !== 0,
    });
  }

  #byToken(token: bigint): Armed | undefined {
    return this.#slots.find((armed) => armed?.token === token);
  }
}

function key(slot: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(slot).buffer);
}

/** @param token without one it is not armed yet */
function slotBytes({ pid, startTicks }: ProcessHandle, condition: ArmCondition, token = 0n): Uint8Array {
  const bytes = new Uint8Array(ArmingSlot.size);
  const view = new DataView(bytes.buffer);
  const { offset } = ArmingSlot;
  view.setUint32(offset.state, token === 0n ? ArmingState.ARMING_NONE : ArmingState.ARMING_ARMED, true);
  view.setBigUint64(offset.token, token, true);
  view.setBigUint64(offset.domain, condition.domain === 'system' ? 0n : condition.domain, true);
  view.setBigUint64(offset.start_ticks, BigInt(startTicks), true);
  view.setUint32(offset.pid, pid, true);
  view.setUint32(offset.signal, constants.signals[condition.signal], true);
  view.setUint32(offset.fruitless_rounds, condition.fruitlessRounds, true);
  return bytes;
}

function inKernel(record: GuardTriggerRecord): Result {
  switch (record.outcome) {
    case GuardOutcome.GUARD_SENT:
      if (record.error === 0) return { outcome: 'signalled', error: null, signalNs: record.sent_ktime_ns };
      return { outcome: 'refused', error: errnoName(record.error), signalNs: null };
    case GuardOutcome.GUARD_GONE:
      return { outcome: 'gone', error: null, signalNs: null };
    case GuardOutcome.GUARD_DYING:
      return { outcome: 'dying', error: null, signalNs: null };
    default:
      return { outcome: 'refused', error: 'init or a kernel thread', signalNs: null };
  }
}

function fromHere({ handle, condition }: Armed): Result {
  try {
    const sent = handle.signal(condition.signal);
    return { outcome: sent ? 'signalled' : 'gone', error: null, signalNs: sent ? process.hrtime.bigint() : null };
  } catch (error) {
    return { outcome: 'refused', error: (error as Error).message, signalNs: null };
  }
}
