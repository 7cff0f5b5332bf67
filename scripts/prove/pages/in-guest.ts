/** Runs one workload in a guest, and prints what was recorded as a line of JSON: in-guest.ts NAME SECONDS */
import { mkdirSync } from 'node:fs';
import { watchWorkload } from './watch.ts';
import { workloads } from './workloads.ts';

const [name = '', seconds = ''] = process.argv.slice(2);
const workload = workloads.find((one) => one.name === name);
if (!workload) throw new Error(`expected a workload, got ${name}`);
mkdirSync('/var/tmp', { recursive: true });
console.log(JSON.stringify(await watchWorkload(workload, Number(seconds))));
