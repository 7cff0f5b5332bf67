/**
 * A node of a fleet in a guest: runs `oomscope run` with [publish], connects to the port START, and when that connection is
 * closed, makes the kernel kill one process of a service. Prints the events of the kill and, when the kill has been made, a
 * line of JSON that begins with {"made".
 *
 *   node test/lab/fleet-node.ts HOST SERVER START CLUSTER NODE UNIT
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { release } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryGroup, MIB, oomKill } from '../kernel/memcg.ts';

/** What the kernel did in the guest. */
export interface Made {
  /** The process that the kernel killed. */
  pid: number;
  /** The release of the kernel. */
  kernel: string;
  /** OOM kills that the kernel has counted since boot. */
  kills: number;
}

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');
const [host = '', server = '', start = '', cluster = '', node = '', unit = ''] = process.argv.slice(2);
const config = '/tmp/fleet-node.toml';
const publish = Object.entries({ server: `nats://${host}:${server}`, cluster, node, spool: '/var/tmp/spool' });
const lines = publish.map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
writeFileSync(config, `[publish]\n${lines.join('\n')}\n[output]\nevents = ["oom.kill"]\n`);

const daemon = spawn(process.execPath, [MAIN, 'run', '--config', config], { stdio: ['ignore', 'inherit', 'pipe'] });
let said = '';
daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
  said += text;
  process.stderr.write(text);
});
daemon.once('exit', (code) => process.exit(code ?? 1));
while (!said.includes('Press Ctrl-C')) await sleep(100);
await once(connect(Number(start), host).resume(), 'close');
const { pid } = await oomKill({ group: createMemoryGroup({ limitBytes: 32 * MIB, name: unit }) });
const kills = Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]);
process.stdout.write(`${JSON.stringify({ made: { pid, kernel: release(), kills } satisfies Made })}\n`);
// The daemon goes on publishing until the guest is ended.
