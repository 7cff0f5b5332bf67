/**
 * Finds messages of other programs about kills for memory, such as systemd-oomd, in the log with the kernel's reports.
 */

/** A message of another program about a kill for memory. */
export interface OtherKill {
  /** "systemd-oomd", "earlyoom" */
  program: string;
  /** The program killed by itself, or it noticed a kill that the kernel may have done. */
  role: 'killed' | 'noticed';
  /** The message of the program, without the prefix of the log line. */
  words: string;
  /** The host in front of the program's name. */
  host: string | null;
  pid: number | null;
  comm: string | null;
  cgroup: string | null;
  unit: string | null;
}

interface Killer {
  program: string;
  role: OtherKill['role'];
  /** The group `words` is the message. The groups pid, comm, cgroup and unit may be in it. */
  pattern: RegExp;
}

/** The programs, and a pattern for the messages of each. */
const KILLERS: readonly Killer[] = [
  {
    program: 'systemd-oomd',
    role: 'killed',
    pattern: /systemd-oomd(?:\[\d+\])?: (?<words>Killed (?<cgroup>\/?\S+) due to .{1,300})/,
  },
  {
    program: 'systemd-oomd',
    role: 'killed',
    pattern: /(?:^|\s)(?<words>(?<unit>[^\s:]+): systemd-oomd killed .{1,120})/,
  },
  {
    program: 'earlyoom',
    role: 'killed',
    pattern:
      /earlyoom(?:\[\d+\])?: (?<words>sending SIG(?:TERM|KILL) to process (?<pid>\d{1,7})\b(?: uid \d+)?(?: "(?<comm>[^"]{1,15})")?.{0,300})/,
  },
  {
    program: 'nohang',
    role: 'killed',
    pattern: /nohang(?:\[\d+\])?: (?<words>.{0,120}Sending SIG(?:TERM|KILL) to .{1,200})/,
  },
  {
    program: 'oomd',
    role: 'killed',
    pattern: /(?:^|\s)(?<words>oomd kill: (?:[\d.]{1,12} ){3}(?<cgroup>\S{1,400}) \d.{0,300})/,
  },
  {
    program: 'lowmemorykiller',
    role: 'killed',
    pattern: /lowmemorykiller: (?<words>Kill(?:ing)? '(?<comm>[^']{1,120})' \((?<pid>\d{1,7})\).{0,200})/,
  },
  { program: 'lowmemorykiller', role: 'killed', pattern: /lowmemorykiller: (?<words>Kill(?:ing)? .{1,200})/ },
  {
    program: 'lmkd',
    role: 'killed',
    pattern: /lmkd(?:\[\d+\])?: (?<words>Kill '(?<comm>[^']{1,120})' \((?<pid>\d{1,7})\).{0,200})/,
  },
  { program: 'lmkd', role: 'killed', pattern: /lmkd(?:\[\d+\])?: (?<words>Kill .{1,200})/ },
  {
    program: 'kubelet',
    role: 'noticed',
    pattern: /(?<words>System OOM encountered, victim process: (?<comm>[^,]{0,15})(?:, pid: (?<pid>\d{1,7}))?)/,
  },
  { program: 'kubelet', role: 'killed', pattern: /(?<words>The node was low on resource: memory\b.{0,200})/ },
  {
    program: 'kubelet',
    role: 'killed',
    pattern: /(?<words>"?(?:[Ee]viction manager: )?pod (?:\S{1,253} )?(?:is )?evicted successfully\b.{0,200})/,
  },
  {
    program: 'talos',
    role: 'killed',
    pattern:
      /\[talos\] (?<words>Sending SIGKILL to cgroup \{.{0,400}?"cgroup": ?"(?:\/sys\/fs\/cgroup)?(?<cgroup>\/[^"]{1,400})".*)/,
  },
  {
    program: 'systemd',
    role: 'noticed',
    pattern:
      /systemd(?:\[\d+\])?: (?<words>(?<unit>[^\s:]+): A process of this unit has been killed by the OOM killer)/,
  },
  {
    program: 'systemd',
    role: 'noticed',
    pattern: /systemd(?:\[\d+\])?: (?<words>(?<unit>[^\s:]+): Failed with result 'oom-kill')/,
  },
];

const LIKELY =
  /oomd|earlyoom|nohang|\[talos\]|lowmemorykiller|lmkd|System OOM|low on resource|evicted successfully|OOM killer|'oom-kill'/;

/** "HOST PROGRAM[PID]: " at the beginning of a line whose time stamp was taken off. */
const HOST = /^(?<host>[\w.-]{1,64}) [\w.@-]{1,64}(?:\[\d+\])?: /;

/** Programs whose messages in the journal are read, by _COMM, which a process cannot choose for another program. */
export const KILLER_COMMS = new Set([
  'systemd-oomd',
  'earlyoom',
  'nohang',
  'oomd',
  'lmkd',
  'kubelet',
  'k3s',
  'systemd',
]);

/** undefined: the line is not a message about a kill by another program. */
export function otherKill(text: string): OtherKill | undefined {
  if (!LIKELY.test(text)) return undefined;
  for (const { program, role, pattern } of KILLERS) {
    const groups: Record<string, string | undefined> | undefined = pattern.exec(text)?.groups;
    if (groups?.words === undefined) continue;
    const { words, pid, comm = null, cgroup = null, unit = null } = groups;
    return {
      program,
      role,
      words: words.replace(/[\s.:;,]+$/, ''),
      host: HOST.exec(text)?.groups?.host ?? null,
      pid: pid === undefined ? null : Number(pid),
      comm,
      cgroup,
      unit,
    };
  }
  return undefined;
}
