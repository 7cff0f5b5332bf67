import { readFileSync } from 'node:fs';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

/** Where a secret is: never on the command line, which everybody on the machine can read. */
export type Secret = { env: string } | { file: string };

/**
 * @param what it is for, as in "webhook key"
 * @throws OomscopeError USAGE: it is not there, or empty
 */
export function readSecret(secret: Secret, what: string): string {
  const [text, where] =
    'env' in secret
      ? [process.env[secret.env], `the environment variable ${printable(secret.env)}`]
      : [readText(secret.file, what), printable(secret.file)];
  const trimmed = text?.trim() ?? '';
  if (trimmed !== '') return trimmed;
  throw new OomscopeError(
    'USAGE',
    `${what}: expected a secret in ${where}, which is ${text === undefined ? 'not set' : 'empty'}.`,
  );
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OomscopeError(
      'USAGE',
      `${what}: cannot read ${printable(path)}: ${(error as NodeJS.ErrnoException).code}.`,
    );
  }
}
