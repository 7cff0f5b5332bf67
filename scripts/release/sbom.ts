/**
 * The software bill of materials of a release, in CycloneDX 1.6: what is inside the packages, with versions and licences as each part
 * declares them. https://cyclonedx.org/docs/1.6/json/
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Part {
  type: 'library' | 'application' | 'platform';
  name: string;
  version: string;
  /** An expression of SPDX. */
  licence: string;
  purl: string;
  /** What it is in, for people. */
  where: string;
}

/** A file of the release. */
export interface Product {
  name: string;
  sha256: string;
}

interface Component {
  'bom-ref': string;
  [key: string]: unknown;
}

interface Manifest {
  name: string;
  version: string;
  license?: string;
}

/** npm packages whose code is in the packages: those of the bundles, which native/ffi.cjs and src/ import, and what these import. */
export function npmParts(root: string, names: readonly string[], where: string): Part[] {
  return names.map((name) => {
    const path = join(root, 'node_modules', name, 'package.json');
    const { name: real, version, license } = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    if (license === undefined) throw new Error(`${path}: expected a licence`);
    const [scope, base] = real.startsWith('@') ? real.slice(1).split('/') : [undefined, real];
    const purl = `pkg:npm/${scope === undefined ? '' : `%40${scope}/`}${base}@${version}`;
    return { type: 'library', name: real, version, licence: license, purl, where };
  });
}

/** A source package of Debian. @param version as Debian writes it */
export function debianPart(name: string, version: string, licence: string, where: string): Part {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=source`;
  return { type: 'library', name, version, licence, purl, where };
}

/**
 * @param options.time seconds since 1970 of the release
 * @returns the document. Its serial number follows from its content, so that two runs make the same bytes.
 */
export function makeSbom(options: {
  product: { name: string; version: string; description: string; licence: string };
  parts: readonly Part[];
  files: readonly Product[];
  time: number;
}): string {
  const { product, parts, files, time } = options;
  const own = `pkg:npm/${product.name}@${product.version}`;
  const components = [...parts].sort((a, b) => (a.purl < b.purl ? -1 : 1)).map(component);
  const content = {
    version: 1,
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      component: {
        ...{ type: 'application', 'bom-ref': own, name: product.name, version: product.version },
        ...{ description: product.description, licenses: [{ expression: product.licence }], purl: own },
        components: files.map(({ name, sha256 }) => ({
          ...{ type: 'file', 'bom-ref': `file:${name}`, name },
          hashes: [{ alg: 'SHA-256', content: sha256 }],
        })),
      },
    },
    components,
    dependencies: [
      { ref: own, dependsOn: components.map((each) => each['bom-ref']) },
      ...components.map((each) => ({ ref: each['bom-ref'] })),
    ],
  };
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  const document = { bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: `urn:uuid:${uuid(hash)}`, ...content };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function component({ type, name, version, licence, purl, where }: Part): Component {
  return {
    ...{ type, 'bom-ref': purl, name, version, licenses: [{ expression: licence }], purl },
    properties: [{ name: 'oomscope:contained-in', value: where }],
  };
}

/** A UUID of version 8 (RFC 9562): its bits are free. */
function uuid(hash: string): string {
  const digits = `${hash.slice(0, 12)}8${hash.slice(13, 16)}8${hash.slice(17, 32)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
