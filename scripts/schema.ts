/**
 * Writes the JSON Schema of the events from their types: node scripts/schema.ts OUTPUT
 *
 * ts-json-schema-generator writes `Event` as a plain `anyOf`. This script turns it into a `oneOf` whose branches each
 * have a constant `type`, so that validators and code generators can tell the events apart. OpenAPI's keyword
 * `discriminator` is left out, because Ajv refuses it by default; test/schema.ts adds the keyword and enables it.
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
