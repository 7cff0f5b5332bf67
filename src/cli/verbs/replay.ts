import type { Replay } from '../../guard/replay.ts';
import { readLines } from '../../linux/lines.ts';
import { OomscopeError } from '../../model/error.ts';
import type { Event } from '../../model/events.ts';
import { type Context, defineVerb } from '../verb/define-verb.ts';
import { Exit } from '../verb/exit.ts';
import { byDefault, duration, text, usage } from '../verb/options.ts';
import { tell } from '../verb/tell.ts';

const options = {
  config: byDefault('the cautious rules', text('FILE', 'take the rules from the [guard] section of this file')),
  'exit-time': byDefault(
    '10 ms, and 200 ms for each GiB that it holds',
    duration('TIME', 'how long a victim takes to exit after a signal'),
  ),
};

export const verb = defineVerb({
  description: [
    'Shows what the guard would have done during a recording of `oomscope record`: when, to which process, and why. The same recording and rules always give the same result. After a process would have been killed, and after the time that it takes to exit, it counts as gone, and its memory counts as free.',
  ],
  words: {
    name: 'RECORDING',
    least: 1,
    most: 1,
    about: 'a file of `oomscope record`, also packed with gzip or (Node 22.15 and later) zstd; - is standard input',
  },
  options,
  format: 'records',
  examples: [
    { command: 'oomscope record --duration 10m > evening.jsonl', about: 'Record first.' },
    { command: 'oomscope replay evening.jsonl', about: 'Run the cautious rules over the recording.' },
    {
      command: 'oomscope replay evening.jsonl --config oomscope.toml | jq .message',
      about: 'Run your own rules over the recording.',
    },
  ],
  exits: {
    ok: 'the recording was replayed; if its last line is incomplete, without that line',
    usage: 'bad option or configuration',
    badInput: 'RECORDING holds no samples, or lacks what a rule reads',
    noInput: 'RECORDING or the file of --config is missing',
  },
  run,
});

async function run({ given, words: [file = ''], asText, paint }: Context<typeof options>): Promise<number> {
  const [{ readConfig }, { readGuard }, { Replay }, { Output }, { renderEvent }] = await Promise.all([
    import('../../config/config.ts'),
    import('../../config/guard.ts'),
    import('../../guard/replay.ts'),
    import('../../render/output.ts'),
    import('../../render/terminal.ts'),
  ]);
  const guard = given.config === undefined ? readGuard({}).guard : (await readConfig(given.config)).guard;
  if (!guard) throw usage(`--config: expected a [guard] section in ${given.config}, got none.`);
  const output = new Output({ onClosed: () => {}, onDropped: (dropped) => JSON.stringify({ dropped }) });
  const emit = (event: Event) => output.write(asText ? renderEvent(event, paint) : JSON.stringify(event), event.type);
  const replay = new Replay(guard.policy, emit, given['exit-time']);
  const { samples, unreadable, last } = await play(file, replay);
  await output.end();
  if (samples === 0)
    throw new OomscopeError('BAD_INPUT', `Expected a recording of \`oomscope record\` in ${file}, got none.`);
  if (unreadable.length === 1 && unreadable[0] === last) tell(`${file} is cut short: line ${last} is incomplete.`);
  else if (unreadable.length > 0)
    tell(`${file}: ${unreadable.length} lines are not samples; the first is line ${unreadable[0]}.`);
  tell(`Replayed ${samples} samples.`);
  return Exit.ok;
}

/** The longest line that is read. A sample of a hundred thousand processes has about 20 MiB. */
const MOST_LINE = 32 * 1024 ** 2;

async function play(file: string, replay: Replay) {
  const { readSample } = await import('../../guard/replay.ts');
  const unreadable: number[] = [];
  let samples = 0;
  let last = 0;
  for await (const line of readLines(file, {
    expected: 'a recording',
    mostLine: MOST_LINE,
    instead: 'oomscope replay -',
  })) {
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
