/** The fields that every event has, whatever its type. */
import type { KubernetesFacts } from './kubernetes.ts';
import type { Severity } from './severity.ts';

/** The schema of the events. */
export const SCHEMA = 'oomscope/v1';

/** An integer that can pass 2^53, as a decimal string. @pattern ^-?[0-9]+$ */
export type Int64 = string;

/** The fields that every event has, whatever its type. */
export interface Envelope {
  /** The schema of the event. Within v1 fields may be added; no field is removed or changes its meaning. */
  schema: 'oomscope/v1';
  /**
   * The id of the event, unique over hosts and restarts. A reader that sees an id twice has received the same event
   * twice.
   */
  id: string;
  /**
   * The number of the event, from 0, within one stream. A gap means that a slow reader missed events, or that an option
   * such as `--level`, `--profile` or `events` leaves some out.
   */
  seq: number;
  /** When the event happened: RFC 3339, UTC, with nanoseconds. @pattern ^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$ */
  time: string;
  /** When the event happened, by CLOCK_MONOTONIC: nanoseconds since boot. */
  mono_ns: Int64;
  /** The id of the boot, from /proc/sys/kernel/random/boot_id. null: unknown. */
  boot_id: string | null;
  /** The name of the host. */
  node: string;
  /** How bad the event is. */
  severity: Severity;
  /** Where the event comes from: a BPF hook, a file, or oomscope itself. */
  source: string;
  /**
   * The pod and the container of the event. The field is present only if the event is about a pod, and `[kubernetes]`
   * is on.
   */
  kubernetes?: KubernetesFacts;
  /** One sentence for people. Its wording is not stable. */
  message: string;
}
