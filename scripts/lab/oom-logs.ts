/**
 * Makes the files in test/fixtures/oom-logs again. They have the lines that real kernels write when memory runs out, as
 * records of /dev/kmsg.
 *
 *   npm run lab:oom-logs -- [--kernel NAME=VMLINUZ:MODULES]… [NAME…]
 *
 * NAME is a kernel of the lab (5.10, 6.1, 6.12, 7.2), a kernel whose files --kernel gives, or "host". "host" is the
 * running kernel: it needs root, and runs only the scenes in cgroups. Default: the four kernels of the lab.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootGuest, type CgroupSetup, getKernel, kernels, lastLines, type SwapSetup } from './guest.ts';

const ROOT = join(import.meta.dirname, '../..');
const FIXTURES = join(ROOT, 'test/fixtures/oom-logs');
const CGROUP_SCENES = ['memcg', 'ancestor', 'trigger', 'hostile', 'order', 'storm'];
const GUEST_SCENES = ['tmpfs', 'no killable', 'global', 'global order', 'global tmpfs'];
const LAST_SCENES = ['allocating task', 'cpuset', 'mempolicy', 'sysrq'];
const MOST_REPORTS = 12;
const script = (scenes: string[]) => ['test/lab/oom-scenes.ts', ...scenes];
const node = ['node', '--experimental-strip-types', '--disable-warning=ExperimentalWarning'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kernel: { type: 'string', multiple: true, default: [] } },
});
const files = new Map(
  values.kernel.map((text) => {
    const [name = '', image = '', modules = ''] = text.split(/[=:]/);
    return [name, { kernel: image, modules }];
  }),
);
for (const name of positionals.length > 0 ? positionals : kernels().map(({ name }) => name)) {
  if (name === 'host') host();
  else await guests(name, files.get(name) ?? { kernel: name });
}

/** Boots one guest for each cgroup version of the kernel, and one more for a panic, which ends the guest. */
async function guests(name: string, which: { kernel: string; modules?: string }): Promise<void> {
  const { cgroupV1 } = await getKernel(which.kernel, which.modules);
  const v2 = [...CGROUP_SCENES, 'group', ...GUEST_SCENES, ...LAST_SCENES];
  await guest(name, which, 'v2', v2, { numa: 2 });
  await guest(name, which, 'v2', ['global', 'memcg'], { swap: 'file', prefix: 'swap' });
  await guest(name, which, 'v2', ['panic'], {});
  if (cgroupV1) await guest(name, which, 'v1', [...CGROUP_SCENES, 'cpuset'], { numa: 2 });
}

async function guest(
  name: string,
  which: { kernel: string; modules?: string },
  cgroup: CgroupSetup,
  scenes: string[],
  { numa = 1, swap = 'none', prefix = cgroup }: { numa?: number; swap?: SwapSetup; prefix?: string },
): Promise<void> {
  const result = await bootGuest({
    ...which,
    ...{ cgroup, numa, swap, swapMib: 64, memoryMib: 768, limitSeconds: 300 },
    append: 'log_buf_len=4M',
    command: [...node, ...script(scenes)],
  });
  const panic = scenes.includes('panic');
  if (result.exitCode !== 0 && !panic) {
    process.exitCode = 1; // the partial log is kept
    process.stderr.write(`${name} ${cgroup}: exit ${result.exitCode} ${result.stderr}\n${lastLines(result)}\n`);
  }
  if (panic)
    save(name, `${prefix} panic`, result.console.replaceAll('\r', '').replace(/^[\s\S]*?(?=\[)/, ''), 'console');
  else split(name, prefix, result.dmesg);
}

/**
 * Records on the running kernel. Its log may have lines of other kills, so only the lines between two marks are kept.
 */
function host(): void {
  const before = kmsg();
  const [program = '', ...flags] = node;
  const { status } = spawnSync(program, [...flags, ...script(CGROUP_SCENES)], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new Error(`the scenes ended with ${status}`);
  // The ring may have dropped its oldest records meanwhile.
  const last = before.trimEnd().split('\n').at(-1) ?? '';
  const after = kmsg();
  split(release().split('.').slice(0, 2).join('.'), 'host', after.slice(after.indexOf(last)));
}

function kmsg(): string {
  const words = ['if=/dev/kmsg', 'bs=16384', 'iflag=nonblock'];
  return spawnSync('dd', words, { encoding: 'latin1', maxBuffer: 2 ** 28 }).stdout;
}

function split(name: string, prefix: string, records: string): void {
  const scene = /^[^\n]*;scene: begin ([^\n]*)\n([\s\S]*?)^[^\n]*;scene: end \1$/gm;
  for (const [, title = '', body = ''] of records.matchAll(scene)) {
    // Lines that Node or the shell of the lab wrote to the kernel log are left out.
    const lines = body.split(/(?<=\n)(?=\d+,)/).filter((record) => Number(record.split(',')[0]) >> 3 === 0);
    // If no process may be killed, the kernel reports again and again while memory is requested.
    const heads = lines.flatMap((line, i) => (line.includes(' invoked oom-killer') ? [i] : []));
    save(name, `${prefix} ${title}`, lines.slice(0, heads[MOST_REPORTS]).join(''));
  }
}

function save(name: string, title: string, text: string, form = 'kmsg'): void {
  mkdirSync(join(FIXTURES, name), { recursive: true });
  writeFileSync(join(FIXTURES, name, `${title.replaceAll(' ', '-')}.${form}`), text, 'latin1');
  process.stderr.write(`${name} ${title}: ${text.split('\n').length - 1} lines\n`);
}
