/**
 * The monitor of levels and long stalls that bench:pressure-overhead measures. It prints their counts when a line
 * arrives on stdin.
 */
import { createInterface } from 'node:readline';
import { openPressure } from '../../dist/index.js';

const [backend, path] = process.argv.slice(2);
const monitor = await openPressure({ backend: backend as 'tp_btf' });
createInterface({ input: process.stdin }).on('line', () => {
  const own = monitor.totals().find(({ subject }) => subject.path === path);
  process.stdout.write(`stalls ${own?.stalls ?? 0}\n`);
});
process.stdout.write('ready\n');
process.once('SIGTERM', () => process.exit());
