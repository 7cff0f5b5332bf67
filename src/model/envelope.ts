/** The fields that every event has, whatever its type. */
import type { Severity } from './severity.ts';

/** The schema of the events. */
export const SCHEMA = 'oomscope/v1';

/** An integer that can pass 2^53, as a decimal string. @pattern ^-?[0-9]+$ */
export type Int64 = string;

/** The fields that every event has, whatever its type. */
export interface Envelope {
  /** The schema that the event keeps to. Within v1 fields are added; none is removed or changes its meaning. */
  schema: 'oomscope/v1';
  /** Unique over hosts and restarts. A reader that sees an id twice has the same event twice. */
  id: string;
  /** Counts the events of one source from 0. A gap means that a slow reader missed events. */
  seq: number;
  /** When it happened: RFC 3339, UTC, with nanoseconds. @pattern ^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$ */
  time: string;
  /** When it happened on CLOCK_MONOTONIC, in nanoseconds since boot. */
  mono_ns: Int64;
  /** The boot: /proc/sys/kernel/random/boot_id. null: unknown. */
  boot_id: string | null;
  /** The name of the host. */
  node: string;
  /** How bad it is. */
  severity: Severity;
  /** Where it comes from: the BPF hook, the file, or oomscope itself. */
  source: string;
  /** One sentence for people. Its wording is not stable. */
  message: string;
}
