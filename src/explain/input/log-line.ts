/** A line of a log, split into its prefix and the kernel message. */
import type { Stamp } from './stamp.ts';

export interface LogLine {
  /** The kernel message. It may contain line feeds in formats that separate records in another way. */
  text: string;
  /** Position of the line in its file, in bytes. */
  offset: number;
  host: string | null;
  /** With CONFIG_PRINTK_CALLER the code that called printk: "T1234" is a task, "C0" a CPU in an interrupt. */
  caller: string | null;
  /** The kernel's time stamp: microseconds since boot. */
  sinceBootUs: number | null;
  /** The time stamp as text. `readTime` parses it, which is slow, and so is called only where the time is needed. */
  stamp: Stamp | null;
  bootId: string | null;
}
