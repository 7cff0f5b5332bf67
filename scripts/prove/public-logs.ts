/**
 * Prints a table that judges the output of `explain` for logs that people have published.
 *
 *   npm run prove:public-logs -- [--write]
 *
 * --write puts the result into docs/proofs/public-logs.md.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { judge, readings } from '../../test/explain/public-logs.ts';
import { circumstances } from '../bench/report.ts';

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const counts = { right: 0, poor: 0, missed: 0, wrong: 0 };
const rows = readings.map((reading) => {
  const { judgement, differences } = judge(reading);
  counts[judgement]++;
  const row = [reading.file, reading.kernel, reading.shape, judgement, differences.join('; ')];
  return `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
});
const table = `| log | kernel | shape | judgement | difference |\n|---|---|---|---|---|\n${rows.join('')}`;
const summary = `${readings.length} logs: ${Object.entries(counts)
  .map(([name, count]) => `${count} ${name}`)
  .join(', ')}.`;
process.stdout.write(`${table}\n${summary}\n`);
if (values.write) {
  const { date, commit } = circumstances();
  const page = `# Proof: public logs

What \`explain\` says about logs that people published, compared with what a person read in them before:
[the list](../../test/fixtures/public-logs/README.md) has the first runs as well.

\`npm run prove:public-logs -- --write\`, ${date.slice(0, 10)}, commit ${commit}: ${summary}

${table}`;
  writeFileSync(resolve(import.meta.dirname, '../../docs/proofs/public-logs.md'), page);
}
process.exitCode = counts.right === readings.length ? 0 : 1;
