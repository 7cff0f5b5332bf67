/** The event `oom.other_kill`: a message in a log about a kill for memory, from another program than the kernel. */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { LogPlace } from './oom-report.ts';

/** Another program than the kernel logged a kill for memory. `message` has the program and its words. */
export interface OomOtherKill extends Envelope, LogPlace, CgroupOwner {
  type: 'oom.other_kill';
  /** The program: "systemd-oomd", "earlyoom", "nohang", "oomd", "lmkd", "lowmemorykiller", "kubelet", "systemd". */
  program: string;
  /**
   * What the program did: it killed by itself, or it noticed a kill that the kernel may have done. systemd and the
   * kubelet report the kernel's kills, too.
   */
  role: 'killed' | 'noticed';
  /** The message of the program, with control characters escaped. */
  words: string;
  /** The process id in the message. */
  pid: number | null;
  /** The process name in the message. */
  comm: string | null;
  /** The cgroup in the message. */
  cgroup: string | null;
}
