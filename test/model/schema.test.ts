import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import schema from '../../src/model/oomscope-v1.schema.json' with { type: 'json' };
import { lost } from '../alerts/alerts.ts';
import { eventTypes, schemaErrors } from '../schema.ts';

test('a JSON Schema validator with default options compiles the shipped schema', () => {
  const validate = new Ajv().compile(schema);
  expect(validate(JSON.parse(JSON.stringify(lost())))).toBe(true);
  expect(schema.$id).toBe('urn:oomscope:schema:v1');
});

test('the schema has one branch with a constant `type` for every event type', () => {
  const definitions = schema.definitions as Record<string, { properties?: { type?: { const?: string } } }>;
  const constants = schema.oneOf.map(
    ({ $ref }) => definitions[$ref.slice('#/definitions/'.length)]?.properties?.type?.const,
  );
  expect(constants).toEqual(eventTypes);
  expect(new Set(constants).size).toBe(constants.length);
});

test('an invalid event causes one error, in the branch of its own type', () => {
  expect(schemaErrors({ ...lost(), total: 'many' })).toEqual(['/total must be number']);
  expect(schemaErrors({ ...lost(), type: 'tracer.found' })).toEqual([' value of tag "type" must be in oneOf']);
});

test('an integer is a string only where it can exceed 2^53', () => {
  const strings = new Set<string>();
  const walk = (node: unknown, name: string): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('$ref' in node && node.$ref === '#/definitions/Int64') strings.add(name);
    for (const [key, value] of Object.entries(node)) walk(value, /^(anyOf|properties|\d+)$/.test(key) ? name : key);
  };
  walk(schema.definitions, '');
  // Nanoseconds since boot exceed 2^53 after 104 days; the id of a cgroup has a generation number in its upper half.
  expect([...strings].sort()).toEqual(['begin_mono_ns', 'cgroup_id', 'id', 'mono_ns']);
});

test('the name of a time ends in its unit, _ns or _seconds', () => {
  const names = new Set(
    [...JSON.stringify(schema.definitions).matchAll(/"(\w+_(?:us|ms|s|sec|minutes))":/g)].map(([, name]) => name),
  );
  expect([...names]).toEqual([]);
});
