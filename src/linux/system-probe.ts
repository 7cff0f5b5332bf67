import type { CgroupComposition } from '../model/cgroup-usage.ts';
import type { PressureAverages, SystemState } from '../model/events.ts';
import { loadNative } from '../native/addon.ts';
import type { SystemProbe as NativeProbe, SystemProbeOptions } from '../native/figures.ts';
import { COMPOSITION_VALUES, compositionOf } from './cgroup-composition.ts';

/** The order of the values in native/system-probe.h. */
const READ_AT = 0;
const LOAD = 1;
const SOME = 4;
const FULL = 8;
const MEMINFO = 12;
const EVENT = 20;
const LOOKED = 21;
const COMPOSITION = 22;
const VALUES = COMPOSITION + COMPOSITION_VALUES;

/**
 * Reads the state of the machine for an event: pressure, memory and load; and what the memory of the cgroup consists of whose
 * limit a kill has hit. A poller thread of the ring to which the probe is given reads the files when the record of the kill
 * arrives, while JavaScript wakes up.
 */
export class SystemProbe implements Disposable {
  readonly #native: NativeProbe;
  readonly #values = new Float64Array(VALUES);
  readonly #bytes = new Uint8Array(this.#values.buffer);

  /** @throws OomscopeError ADDON_MISSING */
  constructor(options: Partial<SystemProbeOptions> = {}) {
    this.#values[EVENT] = Number.NaN;
    this.#native = new (loadNative().SystemProbe)({ proc: '/proc', ...options });
  }

  /** For `RingOptions.probe`. */
  get forRing(): { id: number; values: Uint8Array } {
    return { id: this.#native.id(), values: this.#bytes };
  }

  /**
   * Reads the files once for each event.
   *
   * @param monoNs CLOCK_MONOTONIC of the event
   */
  read(monoNs: bigint): SystemState {
    const event = Number(monoNs);
    const values = this.#values;
    if (!this.#has(monoNs)) this.#native.read(this.#bytes);
    values[EVENT] = event;
    const at = (index: number) => values[index] as number;
    const known = (index: number) => (Number.isNaN(at(index)) ? null : at(index));
    return {
      age_ns: at(READ_AT) - event,
      load_1m: known(LOAD),
      load_5m: known(LOAD + 1),
      load_15m: known(LOAD + 2),
      pressure:
        Number.isNaN(at(SOME)) || Number.isNaN(at(FULL))
          ? null
          : { some: stalls(values, SOME), full: stalls(values, FULL) },
      meminfo: Number.isNaN(at(MEMINFO))
        ? null
        : {
            total_bytes: at(MEMINFO),
            free_bytes: at(MEMINFO + 1),
            available_bytes: at(MEMINFO + 2),
            swap_total_bytes: at(MEMINFO + 3),
            swap_free_bytes: at(MEMINFO + 4),
            anon_bytes: at(MEMINFO + 5),
            shmem_bytes: at(MEMINFO + 6),
            slab_unreclaimable_bytes: at(MEMINFO + 7),
          },
    };
  }

  /**
   * The composition that was read for this kill.
   *
   * @param monoNs CLOCK_MONOTONIC of the kill
   * @returns null: the cgroup was removed, another one has its path, or its files may not be read; undefined: this is not the
   *   kill of the batch, or its record does not say which cgroup it is
   */
  composition(monoNs: bigint): CgroupComposition | null | undefined {
    if (!this.#has(monoNs) || this.#values[LOOKED] !== 1) return undefined;
    return Number.isNaN(this.#values[COMPOSITION]) ? null : compositionOf(this.#values, COMPOSITION, Number(monoNs));
  }

  /** Closes the files. Idempotent. Afterwards all values of later events are null. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether the values are those for this event. Those for the kill of the batch are fetched. */
  #has(monoNs: bigint): boolean {
    return this.#values[EVENT] === Number(monoNs) || this.#native.readKill(monoNs, this.#bytes);
  }
}

/** The line of a PSI file: percentages, and the total in microseconds. */
function stalls(values: Float64Array, from: number): PressureAverages {
  const at = (index: number) => values[from + index] as number;
  return { avg10: at(0), avg60: at(1), avg300: at(2), total_ns: at(3) * 1000 };
}
