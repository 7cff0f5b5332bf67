/**
 * The shipped JSON Schema, made strict: in the tests an event may not have a field that the schema does not know.
 * With the discriminator, which needs every `type` to be one constant, a wrong event has the errors of its own type
 * only.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import schema from '../src/model/oomscope-v1.schema.json' with { type: 'json' };

function strict(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(strict);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, strict(value)]));
  return 'properties' in copy && !('additionalProperties' in copy) ? { ...copy, additionalProperties: false } : copy;
}

const { properties, ...root } = schema;
const discriminated = { ...(strict(root) as object), discriminator: { propertyName: 'type' } };
const validate: ValidateFunction = new Ajv({ allowUnionTypes: true, discriminator: true }).compile(discriminated);

/** The types of events that the schema knows. */
export const eventTypes: readonly string[] = properties.type.enum;

/** The faults of an event by the schema. The list is empty if the event is valid. */
export function schemaErrors(event: unknown): string[] {
  // The event is converted to JSON and back, as a reader of the output gets it.
  if (validate(JSON.parse(JSON.stringify(event)))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
