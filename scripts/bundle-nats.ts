/**
 * Bundles the client of NATS for publishing and for the fleet: node scripts/bundle-nats.ts OUTPUT_DIRECTORY
 *
 * Every way to install oomscope copies dist/, so the bundle needs no package at run time, and only src/nats/load.ts loads
 * it. The packages are CommonJS, from which nothing can be left out: the bundle has 0.3 MB.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const PACKAGES = ['transport-node', 'jetstream', 'kv', 'nats-core', 'nkeys', 'nuid'].map((name) => `@nats-io/${name}`);
const ENTRY = `
export { connect, credsAuthenticator, nkeyAuthenticator, tokenAuthenticator, usernamePasswordAuthenticator, headers, nanos } from '@nats-io/transport-node';
export { jetstream, jetstreamManager } from '@nats-io/jetstream';
export { Kvm } from '@nats-io/kv';
`;

const [given] = process.argv.slice(2);
if (given === undefined) throw new Error('usage: bundle-nats.ts OUTPUT_DIRECTORY');
const root = join(import.meta.dirname, '..');
const output = resolve(given);
const name = 'oomscope-nats-entry';

// When the client gives a socket up, it removes the listener of errors, too. An error that comes after that, such as
// "write after end", would end the process.
const UNHEARD = /\b((?:this\.)?socket|tlsSocket)\.removeAllListeners\(\);/g;
function heard(code: string): string {
  const found = code.match(UNHEARD)?.length ?? 0;
  if (found !== 10) throw new Error(`expected 10 places at which the client gives a socket up, found ${found}`);
  return code.replace(UNHEARD, '$&\n$1.on("error", () => {});');
}

const bundle = await rolldown({
  cwd: root,
  input: { nats: name },
  external: [/^node:/, 'crypto'],
  platform: 'node',
  plugins: [
    {
      name,
      resolveId: (id: string) => (id === name ? join(root, `${name}.js`) : null),
      load: (id: string) => (id.endsWith(`${name}.js`) ? ENTRY : null),
      renderChunk: heard,
    },
  ],
});
// Without white space and comments the package for npm is 14 KB smaller. Names stay: errors are told apart by them.
const { output: chunks } = await bundle.generate({ format: 'esm', minify: { mangle: false, compress: false } });
const [{ code }] = chunks;
mkdirSync(output, { recursive: true });
writeFileSync(join(output, 'nats.js.new'), code);
renameSync(join(output, 'nats.js.new'), join(output, 'nats.js'));
const licences = [...PACKAGES, 'tweetnacl'].map(
  (one) => `${one}\n\n${readFileSync(join(root, 'node_modules', one, 'LICENSE'), 'utf8')}`,
);
writeFileSync(join(output, 'LICENSE.nats.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));
