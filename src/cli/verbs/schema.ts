import schema from '../../model/oomscope-v1.schema.json' with { type: 'json' };
import { Exit } from '../verb/exit.ts';
import { flag, optionsHelp, parseOptions } from '../verb/options.ts';

const options = { help: flag('this text') };

export const help = () => `usage: oomscope schema

Prints the JSON Schema (draft-07) of every event that oomscope emits.

${optionsHelp(options)}

Example:
  oomscope schema > oomscope-v1.schema.json
`;

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('schema', options, argv);
  process.stdout.write(given.help ? help() : `${JSON.stringify(schema, null, 2)}\n`);
  return Exit.ok;
}
