import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { readConfig } from '../../config/config.ts';
import { readGuard } from '../../config/guard.ts';
import { Replay, readSample } from '../../guard/replay.ts';
import { OomscopeError } from '../../model/error.ts';
import type { Event } from '../../model/events.ts';
import { Output } from '../../render/output.ts';
import { renderEvent } from '../../render/terminal.ts';
import { printable } from '../../text/printable.ts';
import { paintFor } from '../verb/colour.ts';
import { Exit } from '../verb/exit.ts';
import { flag, optionsHelp, parseOptions, text, usage } from '../verb/options.ts';

const options = {
  config: text('FILE', 'the rules: the [guard] section of this file (by default the two cautious ones)'),
  json: flag('JSON Lines on stdout (the default when it is not a terminal)'),
  text: flag('text on stdout (the default on a terminal)'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope replay RECORDING [options]

What the guard would have done over a recording of \`oomscope record\`: when, to whom, why. The same recording and rules always
come to the same. Whoever would have been killed is taken to be gone from then on, with what it held.

${optionsHelp(options)}

Examples:
  oomscope record --duration 10m > evening.jsonl
  oomscope replay evening.jsonl --config oomscope.toml

Exit codes: 0 replayed, also as far as a recording that is cut short goes; 2 bad option, recording or configuration.
`;

export async function run(argv: string[]): Promise<number> {
  const named = argv[0] !== undefined && !argv[0].startsWith('-');
  const file = named ? argv[0] : undefined;
  const rest = named ? argv.slice(1) : argv;
  const given = parseOptions('replay', options, rest);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (file === undefined) throw usage('Expected the file of a recording first. See `oomscope replay --help`.');
  if (given.json && given.text) throw usage('--json and --text: expected one of them, got both.');
  const guard = given.config === undefined ? readGuard({}).guard : (await readConfig(given.config)).guard;
  if (!guard) throw usage(`--config: expected a [guard] section in ${given.config}, got none.`);

  const asText = given.text ?? (given.json ? false : process.stdout.isTTY === true);
  const paint = paintFor(given['no-color']);
  const output = new Output({ onClosed: () => {}, onDropped: (dropped) => JSON.stringify({ dropped }) });
  const replay = new Replay(guard.policy, (event: Event) =>
    output.write(asText ? renderEvent(event, paint) : JSON.stringify(event), event.type),
  );
  const { samples, unreadable, last } = await play(file, replay);
  await output.end();
  const tell = (sentence: string) => process.stderr.write(`oomscope: ${printable(sentence)}\n`);
  if (samples === 0)
    throw new OomscopeError('CONFIG', `Expected a recording of \`oomscope record\` in ${file}, got none.`);
  if (unreadable.length === 1 && unreadable[0] === last) tell(`${file} is cut short: line ${last} is not whole.`);
  else if (unreadable.length > 0)
    tell(`${file}: ${unreadable.length} lines are no samples, the first is line ${unreadable[0]}.`);
  tell(`replayed ${samples} samples.`);
  return Exit.ok;
}

async function play(file: string, replay: Replay) {
  const stream = createReadStream(file);
  await once(stream, 'open').catch((cause: NodeJS.ErrnoException) => {
    throw new OomscopeError('CONFIG', `Expected a recording in ${file}: ${cause.code}.`, { cause });
  });
  const unreadable: number[] = [];
  let samples = 0;
  let last = 0;
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    last++;
    const sample = readSample(line);
    if (sample) {
      samples++;
      replay.next(sample);
    } else unreadable.push(last);
  }
  replay.end();
  return { samples, unreadable, last };
}
