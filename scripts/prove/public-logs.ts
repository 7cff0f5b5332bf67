/**
 * Prints a table that judges the output of `explain` for logs that people have published.
 *
 *   npm run prove:public-logs
 */
import { judge, readings } from '../../test/explain/public-logs.ts';

const counts = { right: 0, poor: 0, missed: 0, wrong: 0 };
process.stdout.write('| log | kernel | shape | judgement | difference |\n|---|---|---|---|---|\n');
for (const reading of readings) {
  const { judgement, differences } = judge(reading);
  counts[judgement]++;
  const row = [reading.file, reading.kernel, reading.shape, judgement, differences.join('; ')];
  process.stdout.write(`| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`);
}
const summary = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
process.stdout.write(`\n${readings.length} logs: ${summary.join(', ')}.\n`);
