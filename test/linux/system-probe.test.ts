import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SystemProbe } from '../../src/linux/system-probe.ts';

const pressure = `some avg10=1.50 avg60=0.20 avg300=0.03 total=123456
full avg10=0.75 avg60=0.10 avg300=0.01 total=65432
`;
const meminfo = `MemTotal:       24684012 kB
MemFree:        22392832 kB
MemAvailable:   23330532 kB
SwapTotal:             0 kB
SwapFree:              0 kB
AnonPages:        150000 kB
Shmem:              8228 kB
ShmemHugePages:     1111 kB
SUnreclaim:        42000 kB
`;

test('reads the files once for each event', () => {
  const proc = mkdtempSync(join(tmpdir(), 'oomscope-proc-'));
  try {
    mkdirSync(join(proc, 'pressure'));
    writeFileSync(join(proc, 'pressure', 'memory'), pressure);
    writeFileSync(join(proc, 'meminfo'), meminfo);
    writeFileSync(join(proc, 'loadavg'), '0.25 0.50 0.75 1/100 1234\n');
    const probe = new SystemProbe({ proc });
    const monoNs = process.hrtime.bigint();
    const state = probe.read(monoNs);
    expect(state.age_ns).toBeGreaterThan(0);
    expect(state.age_ns).toBeLessThan(10_000_000_000);
    expect(state).toMatchObject({ load_1m: 0.25, load_5m: 0.5, load_15m: 0.75 });
    writeFileSync(join(proc, 'loadavg'), '9.25 0.50 0.75 1/100 1234\n');
    expect(probe.read(monoNs)).toEqual(state);
    expect(probe.read(monoNs + 1_000_000n)).toMatchObject({ load_1m: 9.25, pressure: { some: { avg10: 1.5 } } });
    expect(probe.composition(monoNs)).toBeUndefined();
    probe.close();
    probe.close();
    expect(probe.read(0n)).toEqual({
      age_ns: expect.any(Number),
      load_1m: null,
      load_5m: null,
      load_15m: null,
      pressure: null,
      meminfo: null,
    });
  } finally {
    rmSync(proc, { recursive: true });
  }
});

test('reads the state of the running machine', () => {
  const probe = new SystemProbe();
  const { meminfo: memory, load_1m } = probe.read(0n);
  probe.close();
  expect(memory?.total_bytes).toBeGreaterThan(2 ** 26);
  expect(memory?.available_bytes).toBeLessThanOrEqual(memory?.total_bytes ?? 0);
  expect(load_1m).toBeGreaterThanOrEqual(0);
});
