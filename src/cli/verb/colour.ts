import { coloured, type Paint, plain } from '../../render/terminal.ts';

/** Colour only on a terminal, and not where it is declined: by the option or by NO_COLOR (any value that is not empty). */
export function paintFor(noColor: boolean | undefined): Paint {
  return process.stdout.isTTY && !noColor && !process.env.NO_COLOR ? coloured : plain;
}
