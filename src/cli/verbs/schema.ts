import { defineVerb } from '../verb/define-verb.ts';
import { Exit } from '../verb/exit.ts';

export const verb = defineVerb({
  description: ['Prints the JSON Schema (draft-07) of every event that oomscope emits.'],
  options: {},
  format: 'raw',
  examples: [
    { command: 'oomscope schema > oomscope-v1.schema.json', about: 'Write the schema to a file.' },
    { command: "oomscope schema | jq -r '.definitions | keys[]'", about: 'List the types that the schema defines.' },
    { command: "oomscope schema | jq '.definitions.OomKill.properties | keys'", about: 'List the fields of a kill.' },
  ],
  exits: { ok: true, usage: true },
  run: async () => {
    const { default: schema } = await import('../../model/oomscope-v1.schema.json', { with: { type: 'json' } });
    process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
    return Exit.ok;
  },
});
