/** The public names of the library: each is documented, and RxJS exports none of them. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type TypeScript from '../../node_modules/ts-json-schema-generator/node_modules/typescript/lib/typescript.js';
import { ROOT, typescript5 } from './packed.ts';

const ts = createRequire(import.meta.url)(typescript5) as typeof TypeScript;
const RXJS = join(ROOT, 'node_modules/rxjs/dist/types/index.d.ts');
const entries = {
  oomscope: 'dist/index.d.ts',
  explain: 'dist/explain/index.d.ts',
  fleet: 'dist/fleet/index.d.ts',
  testing: 'dist/testing/index.d.ts',
};
const paths = Object.values(entries).map((path) => join(ROOT, path));

const program = ts.createProgram([...paths, RXJS], {
  ...{ target: ts.ScriptTarget.ES2024, lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts'], types: ['node'] },
  ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, skipLibCheck: true },
});
const checker = program.getTypeChecker();

function exportsOf(path: string): TypeScript.Symbol[] {
  const file = program.getSourceFile(path);
  const module = file && checker.getSymbolAtLocation(file);
  if (!module) throw new Error(`expected a module: ${path}`);
  return checker.getExportsOfModule(module);
}

const original = (symbol: TypeScript.Symbol) =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

const isDocumented = (symbol: TypeScript.Symbol) => symbol.getDocumentationComment(checker).length > 0;

/** Public fields and methods. `type`, the discriminant of the event union, needs no documentation of its own. */
function membersOf(symbol: TypeScript.Symbol): TypeScript.Symbol[] {
  return [...(symbol.members?.values() ?? [])].filter((member) => {
    const declaration = member.declarations?.[0];
    const hidden = ts.SymbolFlags.TypeParameter | ts.SymbolFlags.Constructor;
    if (!declaration || member.name === 'type' || member.name.startsWith('__') || member.flags & hidden) return false;
    const name = ts.getNameOfDeclaration(declaration);
    return !(name && ts.isPrivateIdentifier(name));
  });
}

describe.each(Object.entries(entries))('the entry point %s', (_, path) => {
  const names = exportsOf(join(ROOT, path));

  it('documents every name, and every field and method', () => {
    const missing = names.flatMap((name) => {
      const symbol = original(name);
      const members = membersOf(symbol).filter((member) => !isDocumented(member));
      return [...(isDocumented(symbol) ? [] : [name.name]), ...members.map((member) => `${name.name}.${member.name}`)];
    });
    expect(missing).toEqual([]);
  });

  it('exports no name that RxJS exports too', () => {
    const taken = new Set(exportsOf(RXJS).map(({ name }) => name));
    expect(taken).toContain('Observable');
    expect(names.filter(({ name }) => taken.has(name)).map(({ name }) => name)).toEqual([]);
  });
});

it('the main entry point exports every event of the union', () => {
  const names = new Map(exportsOf(join(ROOT, entries.oomscope)).map((symbol) => [symbol.name, original(symbol)]));
  const union = names.get('Event');
  const members = union && checker.getDeclaredTypeOfSymbol(union);
  const events = members?.isUnion() ? members.types.map((type) => type.symbol.name) : [];
  expect(events).toContain('OomPatterns');
  expect(events.filter((name) => !names.has(name))).toEqual([]);
});
