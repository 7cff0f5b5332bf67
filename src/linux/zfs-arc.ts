/**
 * How much memory the cache of ZFS (ARC) gives back when memory is short: what it holds above its minimum. MemAvailable
 * does not count it, since the ARC is no page cache.
 *
 * @param arcstats content of /proc/spl/kstat/zfs/arcstats, with lines "name type data". undefined: there is no ZFS
 */
export function arcReclaimableBytes(arcstats: Buffer | undefined): number {
  const text = arcstats?.toString('latin1') ?? '';
  const value = (name: string) => Number(new RegExp(`^${name}\\s+\\d+\\s+(\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return Math.max(0, value('size') - value('c_min'));
}
