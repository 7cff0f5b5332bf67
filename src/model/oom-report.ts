/**
 * `oom.report` and `oom.patterns`: the kernel's own report of an OOM, read from its log, and what it means. A field that
 * `oom.kill` has as well has the same name and unit. null: the text does not say.
 */
import type { Envelope } from './envelope.ts';
import type { Scope } from './oom-kill.ts';
import type { ReportLimit, ReportMemory, ReportPart, ReportTask, ReportTrigger, ReportVictim } from './report-facts.ts';
import type { ReportVerdict } from './report-verdict.ts';

export type * from './report-facts.ts';
export type * from './report-verdict.ts';

/** The kernel reported an OOM in its log. `node` is empty if the log does not name the host. */
export interface OomReport extends Envelope {
  type: 'oom.report';
  /**
   * Where `time` comes from.
   * - `log`: a full time stamp.
   * - `log_local`: a time stamp without year or zone, see `time_text`: `time` has the zone and year that the reader was told,
   *   or else UTC, so that the hour is the one in the log, and the latest year that is past.
   * - `boot`: the time since boot, added to the time of boot.
   * - `reading`: the log has no time; this is when it was read.
   * - `live`: the kernel was watched while it wrote the report.
   */
  time_source: 'log' | 'log_local' | 'boot' | 'reading' | 'live';
  /** With `log_local` the time stamp as it is in the log: "Wed Jan  7 03:04:05 2026". Otherwise null. */
  time_text: string | null;
  /** The kernel's own time stamp, in seconds since boot, with microseconds. null: the log has none. */
  since_boot_seconds: number | null;
  /** The release of the kernel: "6.12.107+deb13-cloud-amd64". */
  kernel: string | null;
  /** The parts of the report that are there, in this order. */
  parts: ReportPart[];
  /** The `id` of the `oom.kill` that it is about. null: it was read from a log, or the kill was not seen. */
  kill_id: string | null;
  /** The lines as the kernel wrote them, with control characters as \x0a. null: it was read from a log. */
  lines: string[] | null;
  /** What it was read from: the name of a file, "-" for standard input, "/dev/kmsg", "journal", "printk:console". */
  input: string;
  /** Where in the input the report begins, in bytes. Of a compressed input, bytes of the text. */
  offset: number;
  /** What the kernel did: it killed, found no process that it may kill, or panicked. */
  outcome: 'killed' | 'nobody_killable' | 'panic' | 'unknown';
  /** What ran out. */
  scope: Scope | null;
  /** The process that was killed. null: none was, or the line is missing. */
  victim: ReportVictim | null;
  /** Processes that were killed with it because of `memory.oom.group`. */
  group: ReportVictim[];
  /** The task that asked for memory when there was none. */
  trigger: ReportTrigger | null;
  /** The cgroup whose limit was hit. null: it was not a cgroup's limit, or the text does not say. */
  limit: ReportLimit | null;
  /** The hierarchy that has the memory controller. */
  cgroup_version: 1 | 2 | null;
  /** Size of what ran out. Not the size of the victim. */
  domain_bytes: number | null;
  /** `oom_badness()` of the victim, in pages, by the figures of the task table. */
  badness_pages: number | null;
  /** The NUMA nodes that the allocation was bound to, as "0". */
  nodemask: string | null;
  /** The size of a page that the figures of the report were converted with. */
  page_bytes: number;
  /** The memory of the system. null: the kernel prints it only if it was not a cgroup's limit. */
  memory: ReportMemory | null;
  /** The task table: the processes that the kernel chose from. */
  tasks: ReportTask[];
  /** What the report means. */
  verdict: ReportVerdict;
  /** The message of the panic. null: the kernel did not panic. */
  panic: string | null;
  /** Lines that could not be parsed or believed, safe to print. */
  warnings: string[];
}

/** What many reports of one log have in common. It is the last event. */
export interface OomPatterns extends Envelope {
  type: 'oom.patterns';
  /** Number of reports. */
  reports: number;
  /** Number of killed processes. */
  kills: number;
  /** When the first was killed: RFC 3339. null: no report has a time. */
  first: string | null;
  /** When the last was killed: RFC 3339. null: no report has a time. */
  last: string | null;
  /** Kills in the last 24 hours by the clock of this machine. null: no report has a time. */
  last_24h: number | null;
  /** Kills by the victim's name. */
  by_process: { name: string; count: number }[];
  /** Reports by the cgroup whose limit was hit. */
  by_cgroup: { name: string; count: number }[];
  /** Kills by the victim's systemd unit. */
  by_unit: { name: string; count: number }[];
  /** Kills by the victim's pod. */
  by_pod: { name: string; count: number }[];
  /** Kills by the victim's container. */
  by_container: { name: string; count: number }[];
  /** Reports by what ran out. */
  by_scope: { name: string; count: number }[];
  /** Reports by hour. */
  by_hour: { name: string; count: number }[];
  /** Victims of the same name in the same cgroup, killed more than three times. */
  repeats: {
    /** The name of the victim. */
    comm: string;
    /** Its cgroup, or the cgroup whose limit was hit. */
    cgroup: string | null;
    /** Each time a cgroup's limit was hit. */
    limited: boolean;
    /** Number of kills. */
    count: number;
    /** Its resident memory at the first kill. */
    first_rss_bytes: number | null;
    /** Its resident memory at the last kill. */
    last_rss_bytes: number | null;
    /** It was larger nearly every time. */
    growing: boolean;
    /** Between two kills. null: the reports have no time. */
    median_interval_seconds: number | null;
  }[];
  /** Processes that were larger in a later report than in an earlier one. They are not victims, and may be to blame. */
  growers: { comm: string; pid: number; from_bytes: number; to_bytes: number }[];
  /** Ten kills or more within a minute. `from` is RFC 3339; null: the reports have no time. */
  storms: { from: string | null; duration_seconds: number; kills: number }[];
  /** What follows from it, and why. */
  findings: { do: string; because: string }[];
}
