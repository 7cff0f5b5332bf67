/**
 * The monitor whose cost in the kernel bench:pressure-overhead measures: the BPF programs of a monitor of levels and
 * long stalls. For each line on stdin, it prints what they have cost so far.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadPressure } from '../../dist/bpf/load/pressure-loader.js';
import { PressureGroup, PressureSlot } from '../../dist/bpf/wire/layout.js';
import { pressureConfig } from '../../dist/pressure/options.js';

/** How often something ran, and for how many nanoseconds. */
export interface Cost {
  runs: number;
  ns: number;
}

export interface Account {
  /** The stalls of the system that have ended. */
  stalls: number;
  /** The BPF programs by name, as the kernel counts them (kernel.bpf_stats_enabled), and `tick`: the BPF timer. */
  costs: Record<string, Cost>;
}

const [backend] = process.argv.slice(2);
const loaded = loadPressure(pressureConfig({ backend: backend as 'tp_btf' }));
const programs = loaded.object.programs.filter(({ fd }) => fd >= 0);
createInterface({ input: process.stdin }).on('line', () => process.stdout.write(`${JSON.stringify(account())}\n`));
process.stdout.write('ready\n');
process.once('SIGTERM', () => process.exit());

function account(): Account {
  const ticks = loaded.object.variable('tick_cost'); // struct tick_cost in bpf/tick.bpf.h
  const tick: Cost = { runs: Number(ticks.readBigUInt64LE(0)), ns: Number(ticks.readBigUInt64LE(8)) };
  const costs = programs.map(({ name, fd }): [string, Cost] => {
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
    const value = (what: RegExp) => Number(what.exec(info)?.[1] ?? 0);
    return [name, { runs: value(/^run_cnt:\s+(\d+)/m), ns: value(/^run_time_ns:\s+(\d+)/m) }];
  });
  return { stalls: stalls(), costs: { ...Object.fromEntries(costs), tick } };
}

function stalls(): number {
  for (const { value } of loaded.groups.entries()) {
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    if (new PressureGroup(view, 0).id !== 0n) continue;
    let sum = 0;
    const slot = new PressureSlot(view, PressureGroup.size);
    for (; slot.at + PressureSlot.size <= view.byteLength; slot.at += PressureSlot.size) sum += Number(slot.stalls);
    return sum;
  }
  return 0;
}
