/**
 * The machine at the moment of an event: pressure, memory, load. The files are opened once and read in place; all three
 * together take some 50 µs.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { PressureAverages, SystemState } from '../model/events.ts';
import { readIfPresent } from './capabilities.ts';

const SIZE = 8192;

export class SystemProbe {
  readonly #buffer = Buffer.alloc(SIZE);
  readonly #files: Record<'pressure' | 'meminfo' | 'load', number | undefined>;

  constructor(proc = '/proc') {
    this.#files = {
      pressure: open(`${proc}/pressure/memory`),
      meminfo: open(`${proc}/meminfo`),
      load: open(`${proc}/loadavg`),
    };
  }

  /** @param ageNs how long ago the event was */
  read(ageNs: number): SystemState {
    const load = this.#text('load')?.split(' ').map(Number) ?? [];
    return {
      age_ns: ageNs,
      load_1m: load[0] ?? null,
      load_5m: load[1] ?? null,
      load_15m: load[2] ?? null,
      pressure: parsePressure(this.#text('pressure')),
      meminfo: parseMeminfo(this.#text('meminfo')),
    };
  }

  close(): void {
    for (const name of ['pressure', 'meminfo', 'load'] as const) {
      const fd = this.#files[name];
      if (fd !== undefined) closeSync(fd);
      this.#files[name] = undefined;
    }
  }

  #text(name: 'pressure' | 'meminfo' | 'load'): string | undefined {
    const fd = this.#files[name];
    if (fd === undefined) return undefined;
    try {
      return this.#buffer.toString('latin1', 0, readSync(fd, this.#buffer, 0, SIZE, 0));
    } catch {
      return undefined; // PSI switched off: the file is there and EOPNOTSUPP
    }
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}

const pressureLine = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/gm;

/** /proc/pressure/memory; Documentation/accounting/psi.rst. */
export function parsePressure(text: string | undefined): SystemState['pressure'] {
  const found: { some?: PressureAverages; full?: PressureAverages } = {};
  for (const [, kind, avg10, avg60, avg300, total] of text?.matchAll(pressureLine) ?? []) {
    found[kind as 'some' | 'full'] = {
      avg10: Number(avg10),
      avg60: Number(avg60),
      avg300: Number(avg300),
      total_ns: Number(total) * 1000,
    };
  }
  return found.some && found.full ? { some: found.some, full: found.full } : null;
}

/** As it is now. null: it cannot be read. */
export const readMeminfo = (proc = '/proc') => parseMeminfo(readIfPresent(`${proc}/meminfo`));

/** /proc/meminfo, in kB there. */
export function parseMeminfo(text: string | undefined): SystemState['meminfo'] {
  if (text === undefined) return null;
  const bytes = (name: string) => (meminfoNumber(text, name) ?? 0) * 1024;
  return {
    total_bytes: bytes('MemTotal'),
    free_bytes: bytes('MemFree'),
    available_bytes: bytes('MemAvailable'),
    swap_total_bytes: bytes('SwapTotal'),
    swap_free_bytes: bytes('SwapFree'),
    anon_bytes: bytes('AnonPages'),
    shmem_bytes: bytes('Shmem'),
    slab_unreclaimable_bytes: bytes('SUnreclaim'),
  };
}

/** Of a line of /proc/meminfo: kB, but for the numbers of huge pages. undefined: there is no such line. */
export function meminfoNumber(meminfo: string, name: string): number | undefined {
  const at = meminfo.indexOf(`\n${name}:`) + 1;
  if (at === 0 && !meminfo.startsWith(`${name}:`)) return undefined;
  const number = Number.parseInt(meminfo.slice(at + name.length + 1), 10);
  return Number.isNaN(number) ? undefined : number;
}
