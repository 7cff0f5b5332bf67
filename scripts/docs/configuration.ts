/** Makes the page of settings, from the schema of the configuration file. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { configSchema } from '../../dist/config/config.js';
import { cell, type Page, table } from './markdown.ts';

interface Shape {
  type?: string;
  enum?: unknown[];
  description?: string;
  properties?: Record<string, Shape>;
  required?: string[];
  items?: Shape;
  anyOf?: Shape[];
}

interface Section {
  heading: string;
  about: string;
  properties: Record<string, Shape>;
  required: string[];
}

export const configurationPage: Page = { path: 'docs/reference/configuration.md', write };

async function write(): Promise<string> {
  const main = join(import.meta.dirname, '../../dist/cli/main.js');
  const { stdout: defaults } = await promisify(execFile)(process.execPath, [main, 'config', 'print']);
  return [
    '# Settings of the configuration file',
    'The file is TOML: see [configuration](../configuration.md). `oomscope config schema` prints the JSON Schema of the file. This page is made from that schema.',
    ...configurationSections().flatMap((section) => [
      `## ${section.heading}`,
      sentence(section.about),
      settings(section),
    ]),
    '## All settings with their defaults',
    '`oomscope config print` prints:',
    `\`\`\`toml\n${defaults.trim()}\n\`\`\``,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** The tables of the file, with their settings. */
export function configurationSections(): Section[] {
  const tables = (configSchema() as Shape).properties ?? {};
  return Object.entries(tables).flatMap(([name, shape]) => sectionsOf(name, shape));
}

/** The sections of the page for a table of the file and for the tables within it. */
function sectionsOf(path: string, shape: Shape): Section[] {
  const isList = shape.items?.properties !== undefined;
  const { properties = {}, required = [] } = (isList ? shape.items : shape) ?? {};
  if (Object.keys(properties).length === 0) return [];
  const depth = path.split('.').length;
  const heading = path === 'guard.rule' || (depth === 1 && isList) ? `[[${path}]]` : depth === 1 ? `[${path}]` : path;
  const inner = Object.entries(properties).flatMap(([name, field]) => sectionsOf(`${path}.${name}`, field));
  return [{ heading, about: shape.description ?? '', properties, required }, ...inner];
}

function settings({ properties, required }: Section): string {
  const rows = Object.entries(properties).map(([name, field]) => [
    `\`${name}\``,
    `${typeOf(field)}${required.includes(name) ? ', required' : ''}`,
    cell(field.description),
  ]);
  return table(['setting', 'type', 'meaning'], rows);
}

export function typeOf(shape: Shape): string {
  if (shape.enum) return shape.enum.map((one) => `\`${JSON.stringify(one)}\``).join(', ');
  if (shape.anyOf) return shape.anyOf.map(typeOf).join(' or ');
  if (shape.items?.properties) return 'list of tables';
  if (shape.items) return `list of ${typeOf(shape.items)}`;
  if (shape.properties) return 'table';
  return shape.type ?? 'anything';
}

const sentence = (text: string) => (text === '' ? '' : `${text[0]?.toUpperCase()}${text.slice(1)}.`);
