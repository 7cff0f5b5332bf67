/** Numbers as C reads and writes them, for options and lines that other programs define by strtod(3) and printf(3). */

export interface CNumber {
  value: number;
  /** The text after the number: all of `text` if it does not begin with a number. */
  rest: string;
  /** The number is too large or too small for a double: strtod() sets errno to ERANGE. */
  outOfRange: boolean;
}

const SPECIAL = /^[ \t\n\v\f\r]*([+-]?)(?:(inf)(?:inity)?|(nan)(?:\([a-z0-9_]*\))?)/i;
const HEXADECIMAL = /^[ \t\n\v\f\r]*([+-]?)0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p([+-]?\d+))?/i;
const DECIMAL = /^[ \t\n\v\f\r]*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/i;
/** Smallest normal number: below it, a double has fewer digits than were given, which strtod() reports. */
const LEAST_NORMAL = 2 ** -1022;

/** Reads the number at the beginning of a text, as strtod(3) does in the locale "C". */
export function strtod(text: string): CNumber {
  const special = SPECIAL.exec(text);
  if (special) {
    const [all, sign = '', infinite] = special;
    const size = infinite === undefined ? Number.NaN : Number.POSITIVE_INFINITY;
    return { value: sign === '-' ? -size : size, rest: text.slice(all.length), outOfRange: false };
  }
  const hexadecimal = HEXADECIMAL.exec(text);
  const [all] = hexadecimal ?? DECIMAL.exec(text) ?? [];
  if (all === undefined) return { value: 0, rest: text, outOfRange: false };
  const value = hexadecimal ? ofHexadecimal(hexadecimal) : Number(all);
  const isZero = !/[1-9a-f]/i.test(all.replace(hexadecimal ? /0x|p.*$/gi : /e.*$/i, ''));
  const outOfRange = !Number.isFinite(value) || (!isZero && Math.abs(value) < LEAST_NORMAL);
  return { value, rest: text.slice(all.length), outOfRange };
}

function ofHexadecimal([, sign, digits = '', power = '0']: RegExpExecArray): number {
  const [whole = '', fraction = ''] = digits.split('.');
  const scale = Number(power) - 4 * fraction.length;
  const value = Number(BigInt(`0x${whole}${fraction}`)) * 2 ** scale;
  return sign === '-' ? -value : value;
}

/** Writes a number as printf("%*.*f", width, digits, value) does: a tie is rounded to the even digit. */
export function fixed(value: number, digits: number, width = 0): string {
  return textOf(value, digits).padStart(width);
}

/** Largest number of digits that toFixed() takes. */
const MOST_DIGITS = 100;

function textOf(value: number, digits: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}.${'0'.repeat(digits)}`; // toFixed() would use an exponent
  const rounded = value.toFixed(digits);
  // toFixed() rounds a tie away from zero.
  const exact = value.toFixed(MOST_DIGITS);
  const cut = exact.length - MOST_DIGITS + digits;
  const isTie = /^50*$/.test(exact.slice(cut));
  return isTie && Number(exact[cut - 1]) % 2 === 0 ? exact.slice(0, cut) : rounded;
}
