/** Makes the page of events, from the JSON Schema. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { anchorOf, cell, type Page, table } from './markdown.ts';

interface Schema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  pattern?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  additionalProperties?: Schema | boolean;
}

type Definitions = Record<string, Schema>;

export const eventsPage: Page = { path: 'docs/reference/events.md', write: () => write(readSchema()) };

function readSchema(): Definitions {
  const path = join(import.meta.dirname, '../../src/model/oomscope-v1.schema.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { definitions: Definitions }).definitions;
}

function write(definitions: Definitions): string {
  const names = Object.keys(definitions).sort();
  const events = eventTypes(definitions);
  const headings = new Map([
    ...names.map((name) => [name, name] as const),
    ...events.map(({ name, type }) => [name, type] as const),
  ]);
  const envelope = envelopeOf(events.map(({ name }) => definitions[name] as Schema));
  const types = names.filter((name) => name !== 'Event' && !events.some((event) => event.name === name));
  const link = (name: string) => `[${headings.get(name)}](#${anchorOf(headings.get(name) ?? name)})`;
  const fields = (schema: Schema, skip: ReadonlySet<string> = new Set()) => fieldsOf(schema, link, skip);
  return [
    '# Events',
    'An event is one JSON object on one line. Names are in snake_case, with the unit as a suffix. An integer that can exceed 2^53 is a string. An unknown value is `null`, never 0. `oomscope schema` prints the JSON Schema from which this page is made.',
    table(
      ['event', 'meaning'],
      events.map(({ name, type }) => [link(name).replace(type, `\`${type}\``), summary(definitions[name] as Schema)]),
    ),
    '## Fields of every event',
    fields({ properties: Object.fromEntries(envelope) }),
    ...events.flatMap(({ name, type }) => [
      `## ${type}`,
      definitions[name]?.description ?? '',
      'In addition to the [fields of every event](#fields-of-every-event):',
      fields(definitions[name] as Schema, new Set([...envelope.keys(), 'type'])),
    ]),
    '# Types',
    ...types.flatMap((name) => {
      const schema = definitions[name] as Schema;
      const body = schema.properties ? fields(schema) : `${typeOf(schema, link)}`;
      return [`## ${name}`, schema.description ?? '', body];
    }),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Every event: the name of its definition, and its `type`, by which they are sorted. */
function eventTypes(definitions: Definitions): { name: string; type: string }[] {
  return Object.keys(definitions)
    .flatMap((name) => {
      const type = definitions[name]?.properties?.type?.const;
      return typeof type === 'string' && definitions[name]?.properties?.schema ? [{ name, type }] : [];
    })
    .sort((a, b) => (a.type < b.type ? -1 : 1));
}

/** Every event with what it means, in a sentence or two. */
export function eventSummaries(): { type: string; about: string }[] {
  const definitions = readSchema();
  return eventTypes(definitions).map(({ name, type }) => ({ type, about: beforeList(definitions[name] as Schema) }));
}

/** The part of a description before its list. */
const beforeList = ({ description = '' }: Schema) => description.split(/\n\s*- /)[0] ?? '';
const summary = (schema: Schema) => cell(beforeList(schema));

/** The fields that all events have with the same meaning. */
function envelopeOf(events: readonly Schema[]): Map<string, Schema> {
  const [first, ...others] = events;
  const same = Object.entries(first?.properties ?? {}).filter(
    ([name, schema]) =>
      name !== 'type' && others.every((other) => JSON.stringify(other.properties?.[name]) === JSON.stringify(schema)),
  );
  return new Map(same);
}

/** Makes a table of fields. If a field is an object of an unnamed type, its own fields follow as `field.inner`. */
function fieldsOf(schema: Schema, link: (name: string) => string, skip: ReadonlySet<string>): string {
  const rows: string[][] = [];
  const add = (prefix: string, { properties = {}, required }: Schema) => {
    for (const [name, field] of Object.entries(properties)) {
      if (prefix === '' && skip.has(name)) continue;
      const optional = required && !required.includes(name) ? ', may be absent' : '';
      rows.push([`\`${prefix}${name}\``, `${typeOf(field, link)}${optional}`, cell(field.description)]);
      const inner = innerOf(field);
      if (inner) add(`${prefix}${name}${inner.suffix}.`, inner.schema);
    }
  };
  add('', schema);
  return table(['field', 'type', 'meaning'], rows);
}

function innerOf(schema: Schema): { schema: Schema; suffix: string } | undefined {
  if (schema.properties) return { schema, suffix: '' };
  if (schema.items) {
    const inner = innerOf(schema.items);
    return inner && { ...inner, suffix: `[]${inner.suffix}` };
  }
  for (const one of schema.anyOf ?? schema.oneOf ?? []) {
    const inner = innerOf(one);
    if (inner) return inner;
  }
  return undefined;
}

function typeOf(schema: Schema, link: (name: string) => string): string {
  if (schema.$ref) return link(schema.$ref.replace('#/definitions/', ''));
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((one) => `\`${JSON.stringify(one)}\``).join(', ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((one) => typeOf(one, link)).join(' or ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, link)).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {}, link)}`;
  if (typeof schema.additionalProperties === 'object') {
    return `object of ${typeOf(schema.additionalProperties, link)}`;
  }
  return schema.type ?? 'anything';
}
