import { type Diagnosis, diagnose, type Finding } from '../kernel/diagnosis.ts';
import type { Paint } from '../sinks/terminal.ts';
import { printable } from '../wire/text.ts';
import { paintFor } from './colour.ts';
import { Exit } from './exit.ts';
import { flag, optionsHelp, parseOptions } from './options.ts';

const options = {
  json: flag('one JSON object on stdout'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope doctor [options]

Says whether tracing works on this machine, which kernel hook would be served by which program and why, what is missing
and how to get it. Needs no privilege.

${optionsHelp(options)}

Exit codes: 0 tracing works here and now, 1 it does not.
`;

const marks: Record<Finding['state'], ['green' | 'yellow' | 'red' | 'dim', string]> = {
  ok: ['green', 'ok'],
  warning: ['yellow', 'warning'],
  missing: ['red', 'missing'],
  unknown: ['dim', 'unknown'],
};

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('doctor', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const diagnosis = diagnose();
  process.stdout.write(
    given.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : render(diagnosis, paintFor(given['no-color'])),
  );
  return diagnosis.can_trace ? Exit.ok : Exit.failed;
}

function render({ can_trace, findings, hooks }: Diagnosis, paint: Paint): string {
  const lines = findings.map(({ name, state, found, remedy }) => {
    const [colour, word] = marks[state];
    const advice = remedy === null ? '' : `\n${' '.repeat(28)}needs: ${printable(remedy)}`;
    return `${paint(colour, word.padEnd(8))} ${name.padEnd(18)} ${printable(found)}${advice}`;
  });
  const hookLines = hooks.map(({ hook, backend, reason }) => {
    const by = backend === 'none' ? paint('dim', 'none') : backend;
    return `  ${hook.padEnd(20)} ${by.padEnd(10)} ${printable(reason)}`;
  });
  const verdict = can_trace ? paint('green', 'Tracing works here.') : paint('red', 'Tracing does not work here.');
  return `${lines.join('\n')}\n${hooks.length > 0 ? `\nhooks:\n${hookLines.join('\n')}\n` : ''}\n${verdict}\n`;
}
