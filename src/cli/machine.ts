import { readFile } from 'node:fs/promises';

/** How much memory and swap there is, in KiB. */
export async function machineKib(): Promise<{ memory: number; swap: number }> {
  const meminfo = await readFile('/proc/meminfo', 'latin1');
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0);
  return { memory: of('MemTotal'), swap: of('SwapTotal') };
}
