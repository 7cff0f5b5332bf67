import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../dist/config/config.js';
import { parseProfiles } from '../../dist/config/profiles.js';
import { ROOT, readPages } from './page.ts';

const blocks = readPages().flatMap(({ path, blocks: all }) =>
  all.map((block, i) => ({ ...block, path, name: `${path}-${i}` })),
);
const inLanguage = (language: string) => blocks.filter((block) => block.language === language);

test('the test finds the examples in the pages', () => {
  expect(inLanguage('ts').length).toBeGreaterThan(5);
  expect(inLanguage('toml').length).toBeGreaterThan(4);
});

test('examples in TypeScript compile against the published types', async () => {
  // The files lie in the repository, so that 'oomscope' resolves to this package by its own exports.
  const directory = join(ROOT, 'build/docs-examples');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const { name, text } of inLanguage('ts')) {
    writeFileSync(join(directory, `${name.replaceAll(/[^\w-]/g, '-')}.ts`), text);
  }
  const compilerOptions = { noEmit: true, noUnusedLocals: false, noUnusedParameters: false, rootDir: '.' };
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
  );
  const faults = await promisify(execFile)(join(ROOT, 'node_modules/.bin/tsc'), ['-p', directory]).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );
  expect(faults).toBe('');
});

test('examples in TOML are valid configurations', async () => {
  for (const { name, text } of inLanguage('toml')) {
    await (text.includes('[[profile]]') ? parseProfiles(text, name) : parseConfig(text, name));
  }
});
