/** Secrets of sinks: read from the environment or a file, never given on the command line. */
import { readSecretFile } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

/** Largest secret file, in bytes; keys and URLs are much shorter. */
const MOST_BYTES = 64 * 1024;

/** The place of a secret. Every user of the machine can read command lines, so a secret is never given on one. */
export type Secret = { env: string } | { file: string };

/**
 * @param what name of the secret in errors, such as "webhook key"
 * @returns the secret without surrounding white space
 * @throws OomscopeError USAGE: the variable is not set, the file cannot be read, other users can read it, or either is empty
 */
export function readSecret(secret: Secret, what: string): string {
  const [text, where] =
    'env' in secret
      ? [process.env[secret.env], `the environment variable ${printable(secret.env)}`]
      : [readText(secret.file, what), printable(secret.file)];
  const trimmed = text?.trim() ?? '';
  if (trimmed !== '') return trimmed;
  const state = text === undefined ? 'not set' : 'empty';
  throw new OomscopeError('USAGE', `${what}: expected a secret in ${where}, which is ${state}.`);
}

function readText(path: string, what: string): string {
  const { bytes, problem } = readSecretFile(path, MOST_BYTES);
  if (problem === undefined) return bytes.toString();
  throw new OomscopeError('USAGE', `${what}: cannot read ${printable(path)}: ${problem}.`);
}
