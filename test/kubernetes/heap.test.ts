import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { madeServers } from '../../scripts/kubernetes/servers.ts';
import { type HeapProcess, heapOf } from '../../src/kubernetes/heap.ts';
import { heapProcess, isGoProgram } from '../../src/kubernetes/heap-process.ts';

const MIB = 2 ** 20;
const LIMIT = 512 * MIB;

const process_ = (program: string, args: string[], environment: string[] = []): HeapProcess => ({
  ...{ pid: 7, program, args: [program, ...args], environment, isWhole: true, isGo: program === 'server' },
});
const seen = (program: string, args: string[], environment: string[] = [], limit: number | null = LIMIT) =>
  heapOf(process_(program, args, environment), limit);

test.each<[string, string[], string[], string | null, number | null]>([
  ['java', ['-Xmx300m', '-jar', 'app.jar', '-Xmx9g'], [], '-Xmx300m', 300 * MIB],
  ['java', ['-Xmx300m', '-Xmx400M', '-cp', '/lib/a.jar', 'Main'], [], '-Xmx400M', 400 * MIB],
  ['java', ['-XX:MaxHeapSize=1g', 'Main'], [], '-XX:MaxHeapSize=1g', 1024 * MIB],
  ['java', ['-XX:MaxRAMPercentage=50.0', 'Main'], [], '-XX:MaxRAMPercentage=50.0', 256 * MIB],
  ['java', ['Main'], ['JAVA_TOOL_OPTIONS=-Xms1m -Xmx200m'], '-Xmx200m', 200 * MIB],
  ['java', ['-Xmx300m', 'Main'], ['JAVA_TOOL_OPTIONS=-Xmx200m'], '-Xmx300m', 300 * MIB],
  ['java', ['-Xmx300m', 'Main'], ['_JAVA_OPTIONS=-Xmx200m'], '-Xmx200m', 200 * MIB],
  ['java', ['@options', 'Main'], [], '@options', null],
  ['java', ['-Xmxlots', 'Main'], [], '-Xmxlots', null],
  ['java', ['Main'], [], null, 128 * MIB],
  ['node', ['--max-old-space-size=384', 'app.js', '--max-old-space-size=9'], [], '--max-old-space-size=384', 384 * MIB],
  ['node', ['app.js'], ['NODE_OPTIONS=--max_old_space_size=100'], '--max_old_space_size=100', 100 * MIB],
  ['node', ['--max-old-space-size-percentage=50', 'a.js'], [], '--max-old-space-size-percentage=50', 256 * MIB],
  ['node', ['app.js'], [], null, null],
  ['server', [], ['GOMEMLIMIT=400MiB'], 'GOMEMLIMIT=400MiB', 400 * MIB],
  ['server', [], ['GOMEMLIMIT=off'], 'GOMEMLIMIT=off', null],
  ['server', [], [], null, null],
])('the heap of %s %j with %j', (program, args, environment, setting, bytes) => {
  expect(seen(program, args, environment)).toMatchObject({ setting, most_bytes: bytes });
});

test('other programs have no heap that is known', () => {
  expect(seen('nginx', ['-Xmx300m'])).toBeUndefined();
});

test('a heap is compared with the limit', () => {
  expect(seen('java', ['-Xmx1g', 'Main'])?.advice).toBe(
    'Java: the heap may grow to 1 GiB (-Xmx1g), more than the limit of 512 MiB: the OOM killer comes before the garbage collector has to. Set -Xmx384m, or a limit of 1.3 GiB.',
  );
  expect(seen('node', ['--max-old-space-size=480', 'a.js'])?.advice).toContain(
    'leaves 32 MiB of the limit of 512 MiB for buffers, young objects and code: too little. Set --max-old-space-size=384',
  );
  expect(seen('server', [], ['GOMEMLIMIT=450MiB'])?.advice).toContain('this fits');
  expect(seen('server', [])?.advice).toContain('Set GOMEMLIMIT=460MiB, for the limit of 512 MiB.');
  expect(seen('java', ['-Xmx1g', 'Main'], [], null)?.advice).toContain('the container has no limit');
});

test('an environment that cannot be read makes the heap unknown, unless the arguments set it', () => {
  const hidden = (args: string[]) => heapOf({ ...process_('java', args), isWhole: false }, LIMIT);
  expect(hidden(['Main'])).toMatchObject({
    setting: null,
    most_bytes: null,
    advice: expect.stringContaining('not known'),
  });
  expect(hidden(['-Xmx100m', 'Main'])).toMatchObject({ most_bytes: 100 * MIB });
});

test('a real process of Node is read with its options', async () => {
  const child = spawn(
    process.execPath,
    ['--max-old-space-size=123', '-e', 'console.log(1); setInterval(() => {}, 9e5)'],
    {
      env: { ...process.env, NODE_OPTIONS: '--max-old-space-size=77' },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  try {
    await once(child.stdout, 'data');
    const read = heapProcess(child.pid as number);
    expect(read).toMatchObject({ program: 'node', isGo: false });
    expect(heapOf(read as HeapProcess, LIMIT)).toMatchObject({ runtime: 'node', most_bytes: 123 * MIB });
    expect(read?.environment).toContain('NODE_OPTIONS=--max-old-space-size=77');
  } finally {
    child.kill('SIGKILL');
  }
});

test.skipIf(madeServers() === undefined)('programs that Go has linked are told apart from others', () => {
  const made = madeServers() ?? '';
  for (const name of ['kube-apiserver', 'etcd', 'kubectl']) expect(isGoProgram(join(made, name)), name).toBe(true);
  expect(isGoProgram(process.execPath)).toBe(false);
  expect(isGoProgram('/no/such/file')).toBe(false);
});
