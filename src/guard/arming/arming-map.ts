/** Writes the maps that the guard's BPF program reads: a slot for each target, and the time when its arming expires. */
import { constants } from 'node:os';
import { type BpfMap, type BpfObject, UpdateFlag } from '../../bpf/libbpf/index.ts';
import { ArmingSlot, ArmingState } from '../../bpf/wire/layout.ts';
import { pageBytes } from '../../linux/page-size.ts';
import type { ProcessIdentity } from '../../process/process-handle.ts';
import type { ArmCondition } from './armed.ts';

export class ArmingMap {
  readonly #armings: BpfMap;
  readonly #expiries: BpfMap;

  constructor(object: BpfObject) {
    this.#armings = object.map('armings');
    this.#expiries = object.map('expiries');
  }

  /** Writes the token last: a slot with a token is armed, so the other values must be complete by then. */
  arm(slot: number, target: ProcessIdentity, condition: ArmCondition, token: bigint): void {
    this.#armings.update(key(slot), slotBytes(target, condition, 0n), UpdateFlag.lock);
    this.#armings.update(key(slot), slotBytes(target, condition, token), UpdateFlag.lock);
  }

  disarm(slot: number): void {
    this.#armings.update(key(slot), new Uint8Array(ArmingSlot.size), UpdateFlag.lock);
  }

  /** @returns the time of expiry, CLOCK_MONOTONIC in ns */
  expire(slot: number, inMs: number): bigint {
    const ns = process.hrtime.bigint() + BigInt(Math.round(inMs * 1e6));
    this.#expiries.update(key(slot), new Uint8Array(BigUint64Array.of(ns).buffer));
    return ns;
  }
}

const key = (slot: number) => new Uint8Array(Uint32Array.of(slot).buffer);

/** @param token 0: the slot is not armed yet */
function slotBytes({ pid, startTicks }: ProcessIdentity, condition: ArmCondition, token: bigint): Uint8Array {
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
  view.setUint32(
    offset.least_pages,
    Math.min(2 ** 32 - 1, Math.floor((condition.leastBytes ?? 0) / pageBytes())),
    true,
  );
  return bytes;
}
