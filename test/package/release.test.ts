/** The bill of materials; and a whole release on a clone of this repository, with the packages for npm: it never touches this repository. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { manifest } from '../../scripts/package/package.ts';
import { partsOf } from '../../scripts/release/parts.ts';
import { makeSbom } from '../../scripts/release/sbom.ts';
import { ROOT } from '../cli/cli.ts';
import { ScratchClone } from '../release/scratch-clone.ts';

const next = `${Number(manifest.version.split('.')[0]) + 1}.0.0`;

test('makes packages of the new version, checks them by installing, commits, and publishes nothing', {
  timeout: 300_000,
}, () => {
  using clone = new ScratchClone();
  clone.takeBuilt();
  const { status, stdout, stderr } = clone.release(next, '--arch', process.arch, '--only', 'npm');
  expect(stderr).toContain('install without network, and run');
  expect(status).toBe(0);
  expect(stderr).not.toContain('install the npm packages');
  expect(clone.git('log', '-1', '--format=%s')).toBe(`release: ${next}`);
  expect(clone.git('status', '--porcelain')).toBe('');
  expect(clone.git('tag')).toBe('');
  expect(stdout).toContain(`git tag v${next}`);
  const packages = join(clone.directory, 'build/packages');
  expect(readdirSync(packages)).toEqual(expect.arrayContaining([`oomscope-${next}.tgz`, `oomscope-${next}.cdx.json`]));
  const changelog = readFileSync(join(clone.directory, 'CHANGELOG.md'), 'utf8');
  expect(changelog).toMatch(
    new RegExp(`## \\[Unreleased\\]\n\n## \\[${next}\\] - \\d{4}-\\d\\d-\\d\\d\n\n### Added\n`),
  );
  expect(spawnSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: packages }).status).toBe(0);
});

describe('the bill of materials', () => {
  /** The schemas that CycloneDX publishes. */
  const schemas = join(
    dirname(createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json')),
    'res/schema',
  );
  const schema = (name: string) =>
    JSON.parse(readFileSync(join(schemas, `${name}.SNAPSHOT.schema.json`), 'utf8')) as object;
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  for (const name of ['spdx', 'jsf-0.82'])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  const validate = ajv.compile(schema('bom-1.6'));
  const errorsOf = (document: unknown) =>
    validate(document) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);

  test('is valid by the schema of CycloneDX, names every part with version and licence, and is the same twice', async () => {
    const parts = await partsOf(ROOT);
    const options = {
      product: { name: 'oomscope', version: '0.2.0', description: 'a tracer', licence: 'MIT AND GPL-2.0-only' },
      parts,
      files: [{ name: 'oomscope-0.2.0.tgz', sha256: '0'.repeat(64) }],
      time: 1_700_000_000,
    };
    const text = makeSbom(options);
    expect(makeSbom(options)).toBe(text);
    const document = JSON.parse(text);
    expect(errorsOf(document)).toEqual([]);
    const names = parts.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'rxjs',
        'smol-toml',
        '@2060.io/ffi-napi',
        '@2060.io/ref-napi',
        'libffi',
        'libbpf',
        'elfutils',
        'zlib',
        'libc6',
        'node',
      ]),
    );
    expect(
      parts.filter(({ version, licence }) => !/^\d/.test(version) || licence === '' || licence === 'NOASSERTION'),
    ).toEqual([]);
  });

  test('would not be valid with an unknown field or without a version of the format', () => {
    const document = { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 };
    expect(errorsOf(document)).toEqual([]);
    expect(errorsOf({ ...document, nonsense: 1 })).not.toEqual([]);
    expect(errorsOf({ bomFormat: 'CycloneDX', version: 1 })).not.toEqual([]);
  });
});
