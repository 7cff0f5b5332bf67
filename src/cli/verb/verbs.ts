import { OomscopeError } from '../../model/error.ts';
import { Exit } from './exit.ts';

/** By name. Only the one that is asked for is loaded. */
export type Verbs = Record<
  string,
  { about: string; load: () => Promise<{ run: (argv: string[]) => Promise<number> }> }
>;

/** A line for each, for the help. */
export function verbsHelp(verbs: Verbs): string {
  const width = Math.max(...Object.keys(verbs).map((name) => name.length));
  return Object.entries(verbs)
    .map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`)
    .join('\n');
}

export interface VerbsOptions {
  help: () => string;
  /** For who named none of them. */
  refusal: (names: string, got: string) => string;
}

/** Runs the verb that is named first. @throws OomscopeError USAGE */
export async function runVerb(verbs: Verbs, [name, ...argv]: string[], options: VerbsOptions): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(options.help());
    return Exit.ok;
  }
  const verb = name !== undefined && Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (!verb) {
    const got = name === undefined ? 'nothing' : `"${name}"`;
    throw new OomscopeError('USAGE', options.refusal(Object.keys(verbs).join(', '), got));
  }
  return (await verb.load()).run(argv);
}
