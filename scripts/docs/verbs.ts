/** The verbs and their options, read from the declarations in src/cli/verbs. */

import { describeVerbs } from '../../src/cli/verb/define-group.ts';
import type { VerbData } from '../../src/cli/verb/help.ts';
import { verbs as table } from '../../src/cli/verb-table.ts';

export type Verb = VerbData;

let verbs: Promise<VerbData[]> | undefined;

/** Every verb, and every action of a verb that has actions, in the order of the help. */
export function readVerbs(): Promise<VerbData[]> {
  verbs ??= describeVerbs(table);
  return verbs;
}
