/** `guard --as-earlyoom` beside the real earlyoom 1.8.2 over a table of command lines: lines, streams, exit codes. */
import { beforeAll, describe, expect, it } from 'vitest';
import { realEarlyoom } from '../../scripts/lab/earlyoom.ts';
import { MAIN } from '../cli/cli.ts';
import { commandLines, reasonFor } from '../earlyoom/command-lines.ts';
import { compareEarlyoom } from '../earlyoom/compare.ts';

const OURS = [process.execPath, MAIN, 'guard', '--as-earlyoom'];

describe('writes the lines of earlyoom 1.8.2, and ends as it does', () => {
  let real = '';
  beforeAll(async () => {
    real = await realEarlyoom('1.8.2');
  });

  it.concurrent.for(commandLines.map((line) => ({ ...line, shown: line.argv.join(' ').slice(0, 80) })))(
    'earlyoom $shown',
    async (line) => {
      const { found } = await compareEarlyoom([real], OURS, line);
      if (reasonFor(line) === undefined) expect(found).toEqual([]);
      else expect(found).not.toEqual([]); // a reason that is no longer needed must go
    },
  );
});
