/** What every event has, whatever its type. */
import type { Severity } from './severity.ts';

export const SCHEMA = 'oomscope/v1';

/** A decimal integer that may pass 2^53. @pattern ^-?[0-9]+$ */
export type Int64 = string;

/** What every event has. */
export interface Envelope {
  schema: 'oomscope/v1';
  /** Unique over hosts and restarts. */
  id: string;
  /** Counts the events of one tracer, from 0. A gap is an event that was dropped behind the tracer, by a slow reader. */
  seq: number;
  /** RFC 3339, UTC, nanoseconds. @pattern ^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$ */
  time: string;
  /** CLOCK_MONOTONIC in nanoseconds. */
  mono_ns: Int64;
  boot_id: string | null;
  /** The host's name. */
  node: string;
  severity: Severity;
  /** Where it comes from: the BPF hook, or oomscope itself. */
  source: string;
  /** One sentence for people. */
  message: string;
}
