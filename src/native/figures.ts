/** The figures of /proc and of cgroups that the addon reads. */

/** The state of the machine at the moment of an event. */
export interface SystemProbe {
  /** For `RingReaderOptions.probe`. */
  id(): number;
  /**
   * Writes the values of native/system-probe.h, 64-bit floating-point numbers: those that a poller thread has read for the
   * current batch, once, and otherwise those of now.
   *
   * @throws RangeError: `into` has another size
   */
  read(into: Uint8Array): void;
  /** Closes the files: from now on all values but the time are NaN. Idempotent. */
  close(): void;
}

export interface Figures {
  SystemProbe: new (proc: string) => SystemProbe;
  /**
   * Reads what the memory of a cgroup consists of, by the order of native/composition.cc, as 64-bit floating-point numbers.
   *
   * @param inode the kernel's id of the cgroup
   * @returns false: the directory is not that of this cgroup, or its files cannot be read
   * @throws RangeError: `into` has another size
   */
  cgroupComposition(directory: string, inode: bigint, version: 1 | 2, into: Uint8Array): boolean;
}
