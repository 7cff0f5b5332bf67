import type { PressureAverages, SystemState } from '../model/events.ts';
import { loadNative } from '../native/addon.ts';
import type { SystemProbe as NativeProbe } from '../native/figures.ts';

/** The order of the values in native/system-probe.h. */
const READ_AT = 0;
const LOAD = 1;
const SOME = 4;
const FULL = 8;
const MEMINFO = 12;
const VALUES = 20;

/**
 * Reads the state of the machine for an event: pressure, memory and load. A poller thread of the ring to which the probe is
 * given reads the files when the record of the event arrives, while JavaScript wakes up.
 */
export class SystemProbe implements Disposable {
  readonly #native: NativeProbe;
  readonly #values = new Float64Array(VALUES);
  readonly #bytes = new Uint8Array(this.#values.buffer);

  /** @throws OomscopeError ADDON_MISSING */
  constructor(proc = '/proc') {
    this.#native = new (loadNative().SystemProbe)(proc);
  }

  /** For `RingOptions.probe`. */
  get id(): number {
    return this.#native.id();
  }

  /** @param monoNs CLOCK_MONOTONIC of the event */
  read(monoNs: number): SystemState {
    const values = this.#values;
    this.#native.read(this.#bytes);
    const at = (index: number) => values[index] as number;
    const known = (index: number) => (Number.isNaN(at(index)) ? null : at(index));
    return {
      age_ns: at(READ_AT) - monoNs,
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

  /** Closes the files. Idempotent. Afterwards read() returns null for every value. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The line of a PSI file: percentages, and the total in microseconds. */
function stalls(values: Float64Array, from: number): PressureAverages {
  const at = (index: number) => values[from + index] as number;
  return { avg10: at(0), avg60: at(1), avg300: at(2), total_ns: at(3) * 1000 };
}
