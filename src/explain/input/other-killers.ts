/**
 * Finds messages of other programs about kills for memory, such as systemd-oomd, in the log with the kernel's reports.
 */

/** A kill for memory that another program logged. */
export interface OtherKill {
  /** "systemd-oomd", "earlyoom" */
  program: string;
  /** The message of the program, without the prefix of the log line. */
  words: string;
}

/** The programs, and a pattern for the messages of each. The first group of the pattern is the message. */
const KILLERS: readonly [string, RegExp][] = [
  ['systemd-oomd', /systemd-oomd(?:\[\d+\])?: (Killed \/?\S+ due to .{1,300})/],
  ['systemd-oomd', /\b(\S+: systemd-oomd killed .{1,120})/],
  ['earlyoom', /earlyoom(?:\[\d+\])?: (sending SIG(?:TERM|KILL) to process .{1,300})/],
  ['nohang', /nohang(?:\[\d+\])?: (.{0,120}Sending SIG(?:TERM|KILL) to .{1,200})/],
  ['lowmemorykiller', /lowmemorykiller: (Kill(?:ing)? .{1,200})/],
  ['lmkd', /lmkd(?:\[\d+\])?: (Kill .{1,200})/],
  ['kubelet', /(System OOM encountered, victim process: .{1,120})/],
  ['kubelet', /(The node was low on resource: memory\b.{0,200})/],
  ['systemd', /systemd(?:\[\d+\])?: (\S+: A process of this unit has been killed by the OOM killer)/],
  ['systemd', /systemd(?:\[\d+\])?: (\S+: Failed with result 'oom-kill')/],
];

const LIKELY = /oomd|earlyoom|nohang|lowmemorykiller|lmkd|System OOM|low on resource|OOM killer|'oom-kill'/;

/** undefined: the line is not a message about a kill by another program. */
export function otherKill(text: string): OtherKill | undefined {
  if (!LIKELY.test(text)) return undefined;
  for (const [program, pattern] of KILLERS) {
    const words = pattern.exec(text)?.[1];
    if (words !== undefined) return { program, words: words.replace(/[\s.:;,]+$/, '') };
  }
  return undefined;
}
