/** A line of a log, its prefix taken off. */
import type { Stamp } from './stamp.ts';

export interface LogLine {
  /** The kernel's own words. May hold line feeds, where the format tells records apart. */
  text: string;
  /** Where the line begins in its file, in bytes. */
  offset: number;
  host: string | null;
  /** With CONFIG_PRINTK_CALLER: "T1234" is a task, "C0" a CPU in an interrupt. */
  caller: string | null;
  /** The kernel's stamp. */
  sinceBootUs: number | null;
  /** As it is written. `readTime` reads it, which takes longer than all the rest, so only for the lines that need it. */
  stamp: Stamp | null;
  bootId: string | null;
}
