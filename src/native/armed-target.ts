/** What the addon's poller threads signal, and what became of it. */

/** A comparison of a field of a record with a number. */
export interface RecordField {
  /** Offset in the record, in bytes, of a little-endian unsigned number. */
  offset: number;
  bytes: 4 | 8;
  value: bigint;
  /** true: the field must be at least the value. Otherwise it must equal the value. */
  atLeast?: boolean;
}

/** A process that gets a signal when a certain record arrives. */
export interface ArmedTarget {
  /** pidfd of the process. The addon keeps its own copy. */
  pidfd: number;
  /** The pid of the same process. */
  pid: number;
  /** /proc/PID/status of the same process. The addon keeps its own copy. -1: no file, and `leastKib` has no effect. */
  statusFd: number;
  /** No signal is sent if the process holds less memory and swap by then (KiB). */
  leastKib: number;
  /** 0: no signal is sent. */
  signal: number;
  /** true: afterwards a thread of the addon frees the memory of the process if it is dying (process_mrelease(2)), and hurries its exit. */
  release: boolean;
  /** The time (CLOCK_MONOTONIC) from which on no signal is sent. */
  expiresNs: bigint;
  /** The kind of the record: a value of `RecordKind`. */
  kind: number;
  /** Comparisons that the record must meet, all of them. */
  fields: RecordField[];
}

/** The result of a signal to an armed target. */
export interface Signalled {
  id: number;
  /** 0: the signal was sent. ERANGE: the process holds less than `leastKib`. */
  errno: number;
  /** The record's own time, CLOCK_MONOTONIC. */
  recordNs: bigint;
  /** CLOCK_MONOTONIC after the signal was sent. */
  signalNs: bigint;
}
