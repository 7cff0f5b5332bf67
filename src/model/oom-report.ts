/**
 * The events `oom.report` and `oom.patterns`: the kernel's own report of an OOM, read from its log, and its
 * interpretation. Fields that `oom.kill` also has have the same names and units. null: the log does not contain the
 * value.
 */
import type { Envelope } from './envelope.ts';
import type { Scope } from './oom-kill.ts';
import type { ReportLimit, ReportMemory, ReportPart, ReportTask, ReportTrigger, ReportVictim } from './report-facts.ts';
import type { ReportVerdict } from './report-verdict.ts';

export type * from './report-facts.ts';
export type * from './report-verdict.ts';

/** Where in a log a message is, and where its time comes from. */
export interface LogPlace {
  /**
   * Where `time` comes from.
   * - `log`: a full time stamp.
   * - `log_local`: a time stamp without year or time zone, which `time_text` has. `time` uses the zone and year from
   *   the options; by default it uses UTC, so that the hour is the same as in the log, and the latest year that is not
   *   in the future.
   * - `boot`: the time since boot in the log, added to the time of boot.
   * - `reading`: the log has no time, and `time` is the time at which it was read.
   * - `live`: oomscope received the message while the kernel wrote it.
   */
  time_source: 'log' | 'log_local' | 'boot' | 'reading' | 'live';
  /** With `log_local`, the time stamp as in the log: "Wed Jan  7 03:04:05 2026". Otherwise null. */
  time_text: string | null;
  /** The kernel's own time stamp, in seconds since boot, with microseconds. null: the log has no such time stamp. */
  since_boot_seconds: number | null;
  /** The input: the name of a file, "-" for standard input, "/dev/kmsg", "journal", or "printk:console". */
  input: string;
  /** The position in the input, in bytes. In a compressed input, bytes of the decompressed text. */
  offset: number;
}

/** The kernel reported an OOM in its log. `node` is empty if the log does not name the host. */
export interface OomReport extends Envelope, LogPlace {
  type: 'oom.report';
  /** The release of the kernel: "6.12.107+deb13-cloud-amd64". */
  kernel: string | null;
  /**
   * The letters of the kernel's taint flags: "GW". "": not tainted. null: the log does not have them. The letter G says
   * that no proprietary module is loaded.
   */
  taints: string | null;
  /** The name of the hardware: "QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2". */
  hardware: string | null;
  /** The parts that the report has, in the order of the report. */
  parts: ReportPart[];
  /**
   * The `id` of the `oom.kill` event about the same kill. null: the report was read from a log, or the kill was not
   * seen.
   */
  kill_id: string | null;
  /**
   * The lines as the kernel wrote them, without prefixes, with control characters escaped as \x0a. null: the report was
   * read from a log, and its lines were not asked for.
   */
  lines: string[] | null;
  /** What the kernel did: it killed a process, found no process that it may kill, or panicked. */
  outcome: 'killed' | 'nobody_killable' | 'panic' | 'unknown';
  /** Whose memory ran out. */
  scope: Scope | null;
  /** The process that was killed. null: no process was killed, or the line is missing. */
  victim: ReportVictim | null;
  /** Processes that were killed together with the victim because of `memory.oom.group`. */
  group: ReportVictim[];
  /** The task whose memory allocation invoked the OOM killer. */
  trigger: ReportTrigger | null;
  /** The cgroup whose limit was hit. null: no cgroup's limit was hit, or the log does not name it. */
  limit: ReportLimit | null;
  /** The version of the cgroup hierarchy that has the memory controller. */
  cgroup_version: 1 | 2 | null;
  /** The size of the memory that ran out: the limit and swap of the cgroup, or RAM and swap. */
  domain_bytes: number | null;
  /** `oom_badness()` of the victim, in pages, computed from the task table. */
  badness_pages: number | null;
  /** The NUMA nodes that the allocation was bound to: "0". */
  nodemask: string | null;
  /** The page size that was used to convert the report's figures to bytes. */
  page_bytes: number;
  /**
   * The memory of the system. null: the log does not have it. The kernel prints it only if no cgroup's limit was hit.
   */
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

/** What many reports of one log have in common. This is the last event of the stream. */
export interface OomPatterns extends Envelope {
  type: 'oom.patterns';
  /** The number of reports. */
  reports: number;
  /** The number of killed processes, also of those that the log does not name. */
  kills: number;
  /** The time of the first kill: RFC 3339. null: no report has a time. */
  first: string | null;
  /** The time of the last kill: RFC 3339. null: no report has a time. */
  last: string | null;
  /** Kills for memory that other programs logged, and their notices of kills: see `oom.other_kill`. */
  other_kills: number;
  /** Those messages by program. This list and those below have the 20 most frequent names. */
  by_program: { name: string; count: number }[];
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
  /** Reports by `scope`. */
  by_scope: { name: string; count: number }[];
  /** Reports by hour. */
  by_hour: { name: string; count: number }[];
  /** Victims of the same name in the same cgroup, killed more than three times. */
  repeats: {
    /** The name of the victim. */
    comm: string;
    /** The cgroup of the victim, or the cgroup whose limit was hit. */
    cgroup: string | null;
    /** Whether a cgroup's limit was hit each time. */
    limited: boolean;
    /** The number of kills. */
    count: number;
    /** The victim's resident memory at the first kill. */
    first_rss_bytes: number | null;
    /** The victim's resident memory at the last kill. */
    last_rss_bytes: number | null;
    /** Whether the victim was larger at nearly every kill than at the kill before. */
    growing: boolean;
    /** The median time between two kills. null: the reports have no time. */
    median_interval_seconds: number | null;
  }[];
  /**
   * Processes, not victims, that were larger in a later report than in an earlier one. They may have used up the
   * memory.
   */
  growers: { comm: string; pid: number; from_bytes: number; to_bytes: number }[];
  /** Periods with ten kills or more within a minute. `from` is RFC 3339; null: the reports have no time. */
  storms: { from: string | null; duration_seconds: number; kills: number }[];
  /** What to do, and why. */
  findings: { do: string; because: string }[];
}
