/**
 * Arms a process: the process is signalled as soon as the kernel has made a given number of reclaims in a row that
 * freed nothing, which is just before the kernel's OOM killer would act. The caller chooses the process (the target)
 * and the number beforehand. The BPF program, the addon's poller thread or JavaScript sends the signal. An arming
 * expires unless it is refreshed, and all armings end with this process.
 */
import { type Observable, Subject } from 'rxjs';
import { type GuardPrograms, loadGuard } from '../../bpf/load/guard-loader.ts';
import { AttachedRing } from '../../bpf/load/ring.ts';
import type { Batch } from '../../bpf/wire/batch.ts';
import { lossesByName } from '../../bpf/wire/counters.ts';
import { GuardLimit, GuardOutcome, GuardSignalRecord, GuardTriggerRecord, RecordKind } from '../../bpf/wire/layout.ts';
import { OomscopeError } from '../../model/error.ts';
import { loadNative, type RingReader } from '../../native/addon.ts';
import { failure } from '../../native/system-call.ts';
import { processAncestors } from '../../process/ancestors.ts';
import { neverSignal } from '../../process/never-signal.ts';
import type { ProcessHandle, ProcessIdentity } from '../../process/process-handle.ts';
import { RaisedScores } from '../../process/raised-scores.ts';
import { UndoLedger } from '../../process/undo-ledger.ts';
import { type Adjustment, type ArmCondition, Armed, hasJustStarted, type PollerIds } from './armed.ts';
import { ArmingMap } from './arming-map.ts';
import { armPoller } from './arming-poller.ts';
import {
  type ArmingBackend,
  type Fired,
  type FiredOutcome,
  outcomeInKernel,
  type SignalSeen,
  signalFromHere,
} from './fired.ts';

export interface ArmingOptions {
  /** Default: the fastest backend that this kernel supports. */
  backend?: ArmingBackend;
  /** Programs that stay loaded when the arming is closed. Default: the arming loads and unloads its own. */
  programs?: GuardPrograms | undefined;
  /**
   * Records the raised oom_score_adj values, so that the next start can restore them after a crash. Without a ledger, a
   * crash leaves them raised.
   */
  ledger?: UndoLedger;
}

export interface ArmTerms {
  /** Time from now until the arming expires (ms), unless it is refreshed before. */
  expiresInMs: number;
  /**
   * oom_score_adj of the target while it is armed, so that the kernel's OOM killer would choose the same process. A
   * higher value of the target is never lowered.
   */
  oomScoreAdj?: number;
}

/** @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, LIBBPF, OBJECT_MISSING, ADDON_MISSING, USAGE */
export function openArming(options: ArmingOptions = {}): Arming {
  return new Arming(options);
}

export class Arming implements Disposable {
  readonly backend: ArmingBackend;
  /** Why this backend is used. */
  readonly reason: string;
  readonly fired$: Observable<Fired>;
  readonly signals$: Observable<SignalSeen>;

  readonly #fired = new Subject<Fired>();
  readonly #signals = new Subject<SignalSeen>();
  readonly #map: ArmingMap;
  readonly #ring: AttachedRing;
  readonly #reader: RingReader;
  readonly #scores: RaisedScores;
  readonly #own = processAncestors();
  /** A slot keeps its last arming after it has ended, because records about it may still arrive. */
  readonly #slots: (Armed | undefined)[] = Array(GuardLimit.ARMINGS).fill(undefined);
  #lastSlot = -1;
  /** Of all armings: records about an earlier arming of the same programs may still arrive. */
  static #lastToken = BigInt(GuardLimit.GUARD_TOKEN) << 32n;
  #closed = false;

  constructor({ backend, programs, ledger = UndoLedger.inMemory() }: ArmingOptions) {
    this.#scores = new RaisedScores(ledger);
    const wanted = { kernelSignals: backend === undefined || backend === 'bpf' };
    const guard = programs ? programs.borrow(wanted) : loadGuard(wanted);
    const { signals, reason, object } = guard;
    if (backend === 'bpf' && !signals) {
      guard.close();
      throw new OomscopeError('KERNEL_TOO_OLD', `This kernel cannot send the signal from BPF: ${reason}.`);
    }
    this.backend = signals ? 'bpf' : (backend ?? 'addon');
    this.reason = reason;
    this.fired$ = this.#fired.asObservable();
    this.signals$ = this.#signals.asObservable();
    this.#map = new ArmingMap(object);
    this.#ring = new AttachedRing(guard, {
      onBatch: (batch) => this.#onBatch(batch),
      onError: (error) => this.#fired.error(error),
      urgentKinds: [RecordKind.RECORD_GUARD_TRIGGER],
    });
    this.#reader = this.#ring.reader;
    loadNative().trimHeap();
  }

  /**
   * Arms one target in a domain, and disarms the target that was armed there before. The caller still owns the handle,
   * and may close it after the target was disarmed.
   *
   * @throws OomscopeError PROCESS_GONE; USAGE: the process must never be signalled, or is younger than 10 ms, or all
   *   slots are armed; SYSTEM_CALL; CLOSED
   */
  arm(handle: ProcessHandle, condition: ArmCondition, { expiresInMs, oomScoreAdj }: ArmTerms): Armed {
    if (this.#closed) throw new OomscopeError('CLOSED', 'The arming is closed.');
    this.#check(handle);
    const before = this.#slots.find((armed) => armed?.isArmed && armed.condition.domain === condition.domain);
    before?.disarm();
    const slot = this.#freeSlot(before?.slot);
    if (slot === undefined) {
      throw new OomscopeError('USAGE', `Expected at most ${GuardLimit.ARMINGS} targets to be armed at a time.`);
    }
    this.#lastSlot = slot;
    this.#slots[slot]?.disarm(); // the slot may still hold a target that has fired
    const token = ++Arming.#lastToken;
    const adjustment = oomScoreAdj === undefined ? 'none' : this.#raise(handle, oomScoreAdj);
    let pollerIds: PollerIds;
    try {
      const expiresNs = this.#map.expire(slot, expiresInMs);
      const signals = this.backend === 'bpf' ? 'if asked' : 'always';
      pollerIds =
        this.backend === 'typescript' ? [] : armPoller(this.#reader, { handle, condition, token, expiresNs, signals });
      this.#map.arm(slot, handle, condition, token);
    } catch (error) {
      if (adjustment === 'raised') this.#scores.restore(handle); // nothing else would, because nothing is armed
      throw error;
    }
    const raised = new Map<string, ProcessIdentity>();
    const armed = new Armed(
      { handle, condition, slot, token, pollerIds, adjustment },
      {
        refresh: (ms) => {
          const until = this.#map.expire(slot, ms);
          for (const id of pollerIds) this.#reader.refresh(id, until);
        },
        raise: (others) => {
          if (oomScoreAdj === undefined) return;
          for (const other of others) {
            const key = `${other.pid}:${other.startTicks}`;
            if (raised.has(key) || this.#raise(other, oomScoreAdj, 'another') !== 'raised') continue;
            raised.set(key, other);
          }
        },
        disarm: () => {
          for (const other of raised.values()) this.#scores.restore(other);
          this.#map.disarm(slot);
          for (const id of pollerIds) this.#reader.disarm(id);
          if (adjustment === 'raised') this.#scores.restore(handle);
        },
      },
    );
    this.#slots[slot] = armed;
    return armed;
  }

  /**
   * Number of records that were lost because the BPF ring buffer was full, by kind. `fired$` does not emit them. With
   * the backend `bpf`, the signals are sent nevertheless.
   */
  lostSoFar(): Record<string, number> {
    return this.#closed ? {} : lossesByName(this.#reader.counters());
  }

  /** Disarms every target, restores every oom_score_adj, and completes the observables. Idempotent. */
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

  /** The next free slot in turn, and `last` only if no other is free: records about its last target may still arrive. */
  #freeSlot(last: number | undefined): number | undefined {
    const { length } = this.#slots;
    const free = this.#slots
      .map((_, i) => (this.#lastSlot + 1 + i) % length)
      .filter((slot) => !this.#slots[slot]?.isArmed);
    return free.find((slot) => slot !== last) ?? free[0];
  }

  #check(handle: ProcessHandle): void {
    const why = neverSignal(handle.pid, this.#own);
    if (why !== undefined) throw new OomscopeError('USAGE', `Process ${handle.pid} must not be armed: ${why}.`);
    if (hasJustStarted(handle)) {
      throw new OomscopeError('USAGE', `Process ${handle.pid} started less than 10 ms ago: try again in 10 ms.`);
    }
    if (!handle.stillSame()) throw new OomscopeError('PROCESS_GONE', `Process ${handle.pid} has exited.`);
  }

  /**
   * Raises the target's oom_score_adj. Returns a refusal instead of throwing, because the target can be armed
   * nevertheless.
   */
  #raise(target: ProcessIdentity, to: number, heirs?: 'another'): Adjustment {
    try {
      return this.#scores.raise(target, to, heirs) ? 'raised' : 'none';
    } catch (error) {
      return { refused: (error as Error).message };
    }
  }

  #onBatch(batch: Batch): void {
    batch.walk((kind, at) => {
      if (kind === RecordKind.RECORD_GUARD_TRIGGER) this.#onTrigger(new GuardTriggerRecord(batch.view, at));
      else if (kind === RecordKind.RECORD_GUARD_SIGNAL) this.#onSignal(new GuardSignalRecord(batch.view, at));
    });
  }

  #onTrigger(record: GuardTriggerRecord): void {
    const armed = this.#byToken(record.token);
    if (!armed?.fire()) return;
    const asked = record.outcome === GuardOutcome.GUARD_ASKED;
    const result = !asked
      ? { by: 'bpf' as const, ...outcomeInKernel(record) }
      : this.backend === 'typescript'
        ? { by: 'typescript' as const, ...signalFromHere(armed) }
        : { by: 'addon' as const, ...this.#outcomeInPoller(armed) };
    this.#fired.next({
      armed,
      ...result,
      triggerNs: record.header.ktime_ns,
      decidedNs: record.decided_ktime_ns || null,
      triggerTid: record.trigger_tid,
      fruitlessRounds: record.fruitless_rounds,
    });
  }

  /** The outcome of the poller thread, which reads each record before this thread does. */
  #outcomeInPoller(armed: Armed): FiredOutcome {
    for (const signalled of this.#reader.takeSignalled()) {
      const of = this.#slots.find((other) => other?.pollerIds[0] === signalled.id);
      if (of) of.signalled = signalled;
    }
    const done = armed.signalled;
    if (!done) return { outcome: 'refused', error: 'the arming had expired', signalNs: null };
    const code = failure(-done.errno);
    if (code === undefined) return { outcome: 'signalled', error: null, signalNs: done.signalNs };
    if (code === 'ERANGE') return { outcome: 'shrunk', error: null, signalNs: null };
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
