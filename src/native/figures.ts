/** The figures of /proc and of cgroups that the addon reads. */

/**
 * What the records of bpf/events.h look like: kinds, facts, and where the fields are, in bytes. It is `struct KillLayout` in
 * native/kill-place.h.
 */
export interface KillLayout {
  killKind: number;
  rehearsalKind: number;
  /** Of the record of a kill in the record of a rehearsal. */
  rehearsed: number;
  facts: number;
  /** The facts without which the directory of the cgroup is unknown. */
  needed: number;
  /** The facts with which it is unknown. */
  refused: number;
  limit: number;
  levelsLength: number;
  levels: number;
  levelSize: number;
  levelId: number;
  levelNameLength: number;
}

export interface SystemProbeOptions {
  /** The mount point of procfs. */
  proc: string;
  /** The cgroups with the memory controller. Without them no composition is read. */
  cgroups?: { mount: string; version: 1 | 2 } | undefined;
  /** Without it no kill is found in a batch. */
  layout?: KillLayout;
}

/**
 * The state of the machine at the moment of an event, and for a kill at the limit of a cgroup what the memory of this cgroup
 * consists of.
 */
export interface SystemProbe {
  /** For `RingReaderOptions.probe`. */
  id(): number;
  /**
   * Writes the values for the first kill of the current batch, as 64-bit floating-point numbers (native/system-probe.h). If no
   * poller thread has read them, it reads them now.
   *
   * @param event CLOCK_MONOTONIC of the event
   * @returns false: this event is not that kill, and nothing was written
   * @throws RangeError: `into` has another size
   */
  readKill(event: bigint, into: Uint8Array): boolean;
  /**
   * Writes the values of now, without a composition.
   *
   * @throws RangeError: `into` has another size
   */
  read(into: Uint8Array): void;
  /** Closes the files: from now on all values but the time are NaN. Idempotent. */
  close(): void;
}

export interface Figures {
  SystemProbe: new (options: SystemProbeOptions) => SystemProbe;
  /**
   * Reads what the memory of a cgroup consists of, by the order of native/composition.cc, as 64-bit floating-point numbers.
   *
   * @param inode the kernel's id of the cgroup
   * @returns false: the directory is not that of this cgroup, or its files cannot be read
   * @throws RangeError: `into` has another size
   */
  cgroupComposition(directory: string, inode: bigint, version: 1 | 2, into: Uint8Array): boolean;
}
