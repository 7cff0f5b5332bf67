/** `oomscope guard --try-pattern REGEX` lists the processes whose name a regular expression matches now. */
import { wholeNames } from '../../../guard/rules/match.ts';
import { Pattern } from '../../../guard/rules/pattern.ts';
import { ProcessTable } from '../../../guard/senses/process-table.ts';
import { Output } from '../../../render/output.ts';
import { printable } from '../../../text/printable.ts';
import { Exit } from '../../verb/exit.ts';
import { usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';

/** Which name of a process the pattern matches. `arguments`: only --prefer compares it. */
type Matched = 'name' | 'program' | 'arguments';

/** @throws OomscopeError USAGE: the pattern is not a regular expression, or no text can match it */
export async function tryPattern(source: string, asText: boolean): Promise<number> {
  const pattern = compile(source);
  const output = new Output({ onClosed: () => {}, onDropped: (dropped) => JSON.stringify({ dropped }) });
  let count = 0;
  for (const process_ of new ProcessTable({ exe: true, cmdline: true }).scan(performance.now(), false)) {
    const { pid, uid, comm, exe, kernel_thread } = process_;
    if (kernel_thread) continue;
    const { byProgram, byArguments } = wholeNames(process_);
    const names: [Matched, string][] = [
      ['name', comm],
      ...byProgram.map((name): [Matched, string] => ['program', name]),
      ...byArguments.map((name): [Matched, string] => ['arguments', name]),
    ];
    const found = names.find(([, name]) => pattern.test(name));
    if (!found) continue;
    count++;
    const [by, name] = found;
    const only = by === 'arguments' ? '  (only its arguments have this name: it is preferred, never spared)' : '';
    const text = `${String(pid).padStart(7)}  ${printable(name)}${only}`;
    output.write(asText ? text : JSON.stringify({ pid, uid, name, by, comm, exe }), 'process');
  }
  await output.end();
  tell(`${count === 1 ? 'One process matches' : `${count} processes match`} now.`);
  return Exit.ok;
}

function compile(source: string): Pattern {
  let pattern: Pattern;
  try {
    pattern = new Pattern(source);
  } catch (error) {
    throw usage(`--try-pattern: expected a regular expression: ${(error as Error).message}.`);
  }
  if (pattern.leastLength === Number.POSITIVE_INFINITY) {
    throw usage(`--try-pattern: "${printable(source)}" can never match: "^" or "$" is in the wrong place.`);
  }
  return pattern;
}
