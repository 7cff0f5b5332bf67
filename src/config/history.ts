/** The section [history]. */
import { isAbsolute } from 'node:path';
import { writeDuration, writeSize } from '../text/units.ts';
import { durationFrom, field, optional, parsed, type Shape, sizeFrom, table, yesOrNo } from './shape.ts';
import type { Fields } from './toml-text.ts';

/** The values of `[history]`. */
export interface HistoryConfig {
  /** The file. undefined: history.db in the state directory. */
  path: string | undefined;
  /** Older events are removed (ms). */
  max_age: number;
  /** The largest size of the file (bytes). */
  max_size: number;
  /** Whether the kernel's log since the last stop is read in at the start. */
  kernel_log: boolean;
}

const absolute: Shape<string> = parsed('an absolute path', (given) => {
  if (!isAbsolute(given)) throw new Error(`expected an absolute path, got ${JSON.stringify(given)}.`);
  return given;
});

const DAY_MS = 86_400_000;

export const historyShape: Shape<HistoryConfig> = table({
  path: optional(absolute, 'the file; by default history.db in the state directory, such as /var/lib/oomscope'),
  max_age: field(durationFrom(3_600_000, 3650 * DAY_MS), 90 * DAY_MS, 'older events are removed'),
  max_size: field(
    sizeFrom(2 ** 22),
    2 ** 28,
    'the largest size of the file; when it is reached, the oldest events are removed',
  ),
  kernel_log: field(yesOrNo, true, 'at the start, read from the kernel’s log what happened since the last stop'),
});

export const historyFields = ({ max_age, max_size, ...rest }: HistoryConfig): Fields => ({
  ...rest,
  max_age: writeDuration(max_age),
  max_size: writeSize(max_size),
});
