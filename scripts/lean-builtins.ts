/**
 * A plugin for the bundle: takes Node's own modules without an `import`.
 *
 * `import { readFileSync } from 'node:fs'` makes Node copy all exports of that module, and so it also loads what they load: for
 * `node:fs` that is `fs.promises`, streams and readline, for `node:util` also worker threads and performance hooks. In each verb
 * that took some 10 ms and 1 MB. process.getBuiltinModule() loads the module alone.
 */
import type { Plugin } from 'rolldown';

export const leanBuiltins: Plugin = {
  name: 'lean-builtins',
  renderChunk: (code, chunk) => {
    const lean = withoutImports(code);
    const left = /^import .*"node:.*$/m.exec(lean);
    if (left) throw new Error(`${chunk.fileName}: expected import { … } from "node:…", got ${left[0]}`);
    return lean;
  },
};

/** Rewrites the imports of `node:` modules in a bundled chunk. */
export function withoutImports(code: string): string {
  return code
    .replaceAll(/^import "node:[\w/]+";\n/gm, '') // what used it was left out, and loading it has no effect
    .replaceAll(/^import \{([^}]*)\} from ("node:[\w/]+");$/gm, (_, names: string, module: string) => {
      return `const {${names.replaceAll(/ as /g, ': ')}} = process.getBuiltinModule(${module});`;
    })
    .replaceAll(/\bimport\(("node:(?!sqlite)[\w/]+")\)/g, 'Promise.resolve(process.getBuiltinModule($1))');
}
