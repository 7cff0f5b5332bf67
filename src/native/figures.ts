/** The figures of /proc and of cgroups that the addon reads. */

/** Where the fields are in the records of bpf/events.h, in bytes: `struct KillLayout` in native/kill-place.h. */
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
  /** The cgroups with the memory controller: their mount point, and where a record of a kill names the cgroup. */
  cgroups?: { mount: string; version: 1 | 2; layout: KillLayout } | undefined;
}

/**
 * The state of the machine at the moment of an event, and for a kill at the limit of a cgroup what the memory of this cgroup
 * consists of.
 */
export interface SystemProbe {
  /** For `RingReaderOptions.probe`. */
  id(): number;
  /**
   * Writes the values of native/system-probe.h, 64-bit floating-point numbers: those that a poller thread has read for the
   * first kill of the current batch, if this is the event, and otherwise those of now, without the cgroup.
   *
   * @param event CLOCK_MONOTONIC of the event
   * @throws RangeError: `into` has another size
   */
  read(event: bigint, into: Uint8Array): void;
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
