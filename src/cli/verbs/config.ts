import { readFile } from 'node:fs/promises';
import { configSchema, readConfig } from '../../config/config.ts';
import { importable, importConfig } from '../../config/import/import.ts';
import { writeConfig, writeGuard } from '../../config/write.ts';
import { OomscopeError } from '../../model/error.ts';
import { printable } from '../../text/printable.ts';
import { Exit } from '../verb/exit.ts';
import { machineKib } from '../verb/machine.ts';
import { usage } from '../verb/options.ts';

export const help =
  () => `usage: oomscope config check FILE          is it right? All faults at once, each with its line
       oomscope config print [FILE]         all settings in full, those by default too
       oomscope config schema               JSON Schema of the file, for editors
       oomscope config import WHAT FILE     the TOML for what another early killer was told: ${importable.join(', ')}

Examples:
  oomscope config check /etc/oomscope.toml && systemctl reload oomscope
  oomscope config print > oomscope.toml
  oomscope config import earlyoom /etc/default/earlyoom

Exit codes: 0 it is right, 2 it is not.
`;

export async function run([what, ...argv]: string[]): Promise<number> {
  const asked = what === '--help' || argv.includes('--help');
  if (asked) {
    process.stdout.write(help());
    return Exit.ok;
  }
  switch (what) {
    case 'check': {
      const [file] = files(argv, 'check', 1, 1);
      await readConfig(file as string);
      process.stdout.write(`${printable(file as string)} is right.\n`);
      return Exit.ok;
    }
    case 'print': {
      const [file] = files(argv, 'print', 0, 1);
      process.stdout.write(writeConfig(await (file === undefined ? byDefault() : readConfig(file))));
      return Exit.ok;
    }
    case 'schema':
      files(argv, 'schema', 0, 0);
      process.stdout.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
      return Exit.ok;
    case 'import':
      return importFrom(files(argv, 'import', 2, 2) as [string, string]);
    default:
      throw usage(`Expected check, print, schema or import, got ${what === undefined ? 'nothing' : `"${what}"`}.`);
  }
}

async function byDefault() {
  const { parseConfig } = await import('../../config/config.ts');
  return parseConfig('[guard]', 'the defaults');
}

async function importFrom([from, file]: [string, string]): Promise<number> {
  const what = importable.find((each) => each === from);
  if (!what) throw usage(`config import: expected one of ${importable.join(', ')}, got "${from}".`);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new OomscopeError('CONFIG', `Expected a configuration in ${file}: ${cause.code}.`, { cause });
  });
  const { guard, notes } = importConfig(what, text, machineKib());
  const lines = [
    `# From ${printable(file)}, for ${what}. A dry run: set mode = "enforce" when what it says is what you want.`,
    ...notes.map((note) => `# Not taken over: ${printable(note)}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n\n${writeGuard(guard)}`);
  return Exit.ok;
}

function files(argv: string[], verb: string, least: number, most: number): string[] {
  const unknown = argv.find((word) => word.startsWith('-'));
  if (unknown !== undefined) throw usage(`config ${verb}: there is no option "${unknown}".`);
  if (argv.length < least || argv.length > most) {
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    throw usage(`config ${verb}: expected ${expected} argument${most === 1 ? '' : 's'}, got ${argv.length}.`);
  }
  return argv;
}
