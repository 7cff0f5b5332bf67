/**
 * Writes the JSON Schema of the events from their types: node scripts/schema.ts OUTPUT
 *
 * ts-json-schema-generator writes `Event` as a plain `anyOf`. Here it becomes a `oneOf`, each branch with a `type` of one
 * constant: what validators and code generators need to tell the events apart. OpenAPI's keyword `discriminator` is left
 * out because Ajv refuses it unless it is switched on; test/schema.ts adds it and switches it on.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGenerator } from 'ts-json-schema-generator';

const ID = 'urn:oomscope:schema:v1';

interface Definition {
  anyOf?: { $ref: string }[];
  properties?: { type?: { const?: string } };
}

const [output] = process.argv.slice(2);
if (output === undefined) throw new Error('usage: schema.ts OUTPUT');
const root = join(import.meta.dirname, '..');
const { definitions = {}, $schema } = createGenerator({
  path: join(root, 'src/model/events.ts'),
  tsconfig: join(root, 'tsconfig.json'),
  type: 'Event',
  skipTypeCheck: true,
  additionalProperties: true,
}).createSchema('Event');

const { Event, ...others } = definitions as Record<string, Definition>;
const oneOf = Event?.anyOf ?? [];
const types = oneOf.map(({ $ref }) => {
  const type = others[$ref.replace('#/definitions/', '')]?.properties?.type?.const;
  if (type === undefined) throw new Error(`expected a type with one constant in ${$ref}`);
  return type;
});
const schema = {
  $schema,
  $id: ID,
  title: 'An event of oomscope, schema oomscope/v1',
  type: 'object',
  properties: { type: { enum: types } },
  required: ['type'],
  oneOf,
  definitions: others,
};
writeFileSync(output, `${JSON.stringify(schema, null, 2)}\n`);
