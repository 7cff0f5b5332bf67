import { coloured, type Paint, plain } from '../../render/paint.ts';

/**
 * Colour is used on a terminal that can show it (TERM is not "dumb"), unless --no-color or NO_COLOR (not empty) turns
 * it off. FORCE_COLOR (not empty, not 0) turns it on in a pipe as well. The option overrides the environment, and
 * NO_COLOR overrides FORCE_COLOR.
 */
export function paintFor(
  declined: boolean,
  terminal = process.stdout.isTTY === true,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Paint {
  if (declined || env.NO_COLOR) return plain;
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '' && env.FORCE_COLOR !== '0';
  return forced || (terminal && env.TERM !== 'dumb') ? coloured : plain;
}
