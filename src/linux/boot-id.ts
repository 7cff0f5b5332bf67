import { readIfPresent } from './read-if-present.ts';

/** The random id of the running boot, from /proc/sys/kernel/random/boot_id; undefined where /proc does not have it. */
export function bootId(): string | undefined {
  return readIfPresent('/proc/sys/kernel/random/boot_id')?.trim();
}
