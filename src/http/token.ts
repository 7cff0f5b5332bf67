/** The token that a client must send. On loopback every user of the machine can connect, so the address alone protects nothing. */
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs';
import { readSecretFile } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

/** Shortest and longest token in characters. 22 characters of base64 are 128 bits. */
const LEAST = 22;
const MOST = 512;
/** Largest file of a token, in bytes. */
const MOST_BYTES = 64 * 1024;
/** The characters of a bearer token (RFC 6750). */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/** A new random token of 256 bits. */
export function makeToken(): string {
  // node:crypto would take 3 MB of memory.
  const source = openSync('/dev/urandom', constants.O_RDONLY);
  try {
    const bytes = Buffer.alloc(32);
    readSync(source, bytes);
    return bytes.toString('base64url');
  } finally {
    closeSync(source);
  }
}

/**
 * Reads the token from a file that no other user can read.
 *
 * @param what the option that names the file, for messages
 * @throws OomscopeError USAGE: the file is missing, other users can read or write it, or its content is no token
 */
export function readToken(path: string, what: string): string {
  const wrong = (problem: string, remedy = '') =>
    new OomscopeError('USAGE', `${what}: expected a file with a token at ${printable(path)}, but ${problem}.${remedy}`);
  const { bytes, problem } = readSecretFile(path, MOST_BYTES);
  if (problem !== undefined) {
    const make = existsSync(path) ? '' : ' Make one with: (umask 077; head -c 32 /dev/urandom | base64 > FILE)';
    throw wrong(problem, make);
  }
  const token = bytes.toString('latin1').trim();
  if (token.length >= LEAST && token.length <= MOST && TOKEN.test(token)) return token;
  throw wrong(`it has something else: a token has ${LEAST} to ${MOST} letters, digits, "-", "_", "." or "="`);
}

/** Compares in a time that depends only on the length of `given`, so that a client cannot find the token by trying. */
export function isToken(given: string, token: string): boolean {
  let difference = given.length ^ token.length;
  for (let i = 0; i < given.length; i++) difference |= given.charCodeAt(i) ^ token.charCodeAt(i % token.length);
  return difference === 0;
}
