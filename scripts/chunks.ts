/**
 * Which modules of the command share a file. Node takes some 0.7 ms of CPU time to resolve, read and link one file of the bundle, as
 * much as for 30 kB of code, and without groups `trace` would read 99 files, and the help 15.
 */
import { join } from 'node:path';
import type { CodeSplittingGroup } from 'rolldown';

const src = join(import.meta.dirname, '../src');

/** For each file of the bundle, the modules from which its search begins. A module goes into the first file that reaches it. */
const roots = {
  core: ['cli/main.ts'],
  verb: [
    'cli/verb/define-verb.ts',
    'cli/verb/zone-note.ts',
    'cli/verb/run-until.ts',
    'native/addon.ts',
    'linux/small-file.ts',
  ],
  tracing: [
    'cli/verbs/trace.ts',
    'cli/verb/live.ts',
    'cli/verb/start-up.ts',
    'tracer/tracer.ts',
    'tracer/parts.ts',
    'render/output.ts',
    'render/terminal.ts',
    'bpf/load/ring.ts',
  ],
};

type Context = Parameters<Extract<CodeSplittingGroup['name'], (...given: never[]) => unknown>>[1];

/** The groups for Rolldown's `codeSplitting`. */
export const chunkGroups: CodeSplittingGroup[] = Object.entries(roots).map(([name, files], i) => {
  let reached: Set<string> | undefined;
  const test = (id: string, context: Context) => {
    reached ??= closure(files, context);
    return reached.has(id) ? name : null;
  };
  return { name: test, debugName: name, priority: 100 - i };
});

/** The modules that these files import, directly and indirectly, and not by import(). */
function closure(files: string[], context: Context): Set<string> {
  const reached = new Set<string>();
  const visit = (id: string) => {
    if (reached.has(id)) return;
    reached.add(id);
    for (const imported of context.getModuleInfo(id)?.importedIds ?? []) visit(imported);
  };
  for (const file of files) {
    const id = join(src, file);
    if (context.getModuleInfo(id) === null) throw new Error(`chunks.ts: expected a module of the bundle, got ${file}`);
    visit(id);
  }
  return reached;
}
