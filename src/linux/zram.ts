import { readdirSync } from 'node:fs';
import { SmallFile } from './small-file.ts';

/** The memory that zram devices use. Swap on zram is in RAM itself, compressed: /sys/block/zram0/mm_stat. */
export class Zram implements Disposable {
  readonly #sys: string;
  #files: SmallFile[] = [];

  constructor(sys = '/sys') {
    this.#sys = sys;
  }

  /** mem_used_total of all devices, which includes what the allocator wastes. null: there is no device. */
  usedBytes(): number | null {
    // Devices are set up during boot. Until there is one, they are searched for at each call.
    if (this.#files.length === 0) this.#files = this.#open();
    if (this.#files.length === 0) return null;
    let sum = 0;
    for (const file of this.#files) {
      const bytes = file.read();
      // orig_data_size, compr_data_size, mem_used_total, …
      sum += Number(bytes?.toString('latin1').trim().split(/\s+/)[2] ?? 0);
    }
    return sum;
  }

  #open(): SmallFile[] {
    const block = `${this.#sys}/block`;
    return devicesIn(block).flatMap((name) => SmallFile.open(`${block}/${name}/mm_stat`) ?? []);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function devicesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => /^zram\d+$/.test(name));
  } catch {
    return [];
  }
}
