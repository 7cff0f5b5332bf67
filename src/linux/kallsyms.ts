/**
 * The kernel's functions by address, from /proc/kallsyms. Every address in it is 0 if this process may not see
 * addresses (kernel.kptr_restrict, CAP_SYSLOG).
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** A range of addresses in the kernel's code. */
export interface KernelFunction {
  name: string;
  from: bigint;
  /** The address at which the next function begins. */
  to: bigint;
}

/**
 * Finds the functions with these names and the variants that the compiler made of them (`name.isra.0`). Empty if
 * addresses are hidden. It reads the whole file of 5 MB, which takes about 50 ms.
 */
export function kernelFunctions(names: readonly string[], path = '/proc/kallsyms'): KernelFunction[] {
  const wanted = new Set(names);
  const found: KernelFunction[] = [];
  let open: KernelFunction | undefined;
  for (const { address, name } of functionLines(path)) {
    if (open && address > open.from) {
      open.to = address;
      open = undefined;
    }
    const dot = name.indexOf('.');
    const base = dot < 0 ? name : name.slice(0, dot);
    if (address === 0n || !wanted.has(base) || name.includes('.cold')) continue;
    open = { name: base, from: address, to: address };
    found.push(open);
  }
  return found.filter(({ from, to }) => to > from);
}

/** Converts addresses in the kernel's code to names: "try_to_free_pages+0x1a4". */
export class KernelSymbols {
  readonly #addresses: bigint[] = [];
  readonly #names: string[] = [];

  /** Reads all symbols, which takes about 15 MB of memory. */
  constructor(path = '/proc/kallsyms') {
    for (const { address, name } of functionLines(path)) {
      if (address === 0n) continue;
      this.#addresses.push(address);
      this.#names.push(name);
    }
  }

  name(address: bigint): string {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#addresses[middle] as bigint) <= address) low = middle + 1;
      else high = middle;
    }
    const at = this.#addresses[low - 1];
    return at === undefined ? `0x${address.toString(16)}` : `${this.#names[low - 1]}+0x${(address - at).toString(16)}`;
  }
}

/**
 * The functions of the kernel itself. The functions of modules come after them in the file, unsorted, and are left out.
 */
function* functionLines(path: string): Generator<{ address: bigint; name: string }> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return;
  }
  try {
    const chunk = Buffer.alloc(65536);
    let rest = '';
    for (let size = readSync(fd, chunk); size > 0; size = readSync(fd, chunk)) {
      const lines = (rest + chunk.toString('latin1', 0, size)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        // "ffffffff813dca30 T psi_memstall_enter"; the first "… t name	[module]" ends the kernel's own symbols
        if (line.endsWith(']')) return;
        const kind = line[17];
        if (kind === 'T' || kind === 't') yield { address: BigInt(`0x${line.slice(0, 16)}`), name: line.slice(19) };
      }
    }
  } finally {
    closeSync(fd);
  }
}
