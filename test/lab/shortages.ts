/**
 * Makes shortages in a guest beside a guard with the default rules, one after another, and prints a JSON line for each.
 * The guard makes at most ten kills a minute, so one guest must not make many more shortages.
 *
 *   node test/lab/shortages.ts cgroup|system SEED...
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawLayout, type Scope } from '../../scripts/prove/shortages/layouts.ts';
import { readMeminfo } from '../../src/linux/meminfo.ts';
import { MIB } from '../kernel/memcg.ts';
import { makeShortage, startGuardProcess } from '../kernel/shortage.ts';

if (!existsSync('/lab/settings')) throw new Error('expected a guest of the kernel lab');
writeFileSync('/proc/self/oom_score_adj', '-1000');
spawnSync('mount', ['-o', 'remount,size=95%', '/dev/shm']);
const [scope = 'cgroup', ...seeds] = process.argv.slice(2);

// As a service, the guard begins with an ordinary oom_score_adj, and lowers it itself.
const command = 'echo 0 >/proc/self/oom_score_adj; exec oomscope guard --enforce --json';
const guard = await startGuardProcess(['sh', '-c', command]);
for (const seed of seeds.map(Number)) {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    const available = Math.floor((readMeminfo()?.availableBytes ?? 0) / MIB);
    console.log(JSON.stringify(await makeShortage(drawLayout(seed, scope as Scope, available), guard, '/bin/actor')));
  } catch (error) {
    console.log(JSON.stringify({ seed, error: (error as Error).stack }));
  }
  if (guard.child.exitCode !== null || guard.child.signalCode !== null) throw new Error('the guard has ended');
  await sleep(300);
}
guard.child.kill('SIGTERM');
await sleep(1000);
process.exit(0);
