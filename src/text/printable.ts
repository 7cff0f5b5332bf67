/** Decodes strings from the kernel and makes them safe to print: any user may have chosen their bytes. */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder('utf-8', { ignoreBOM: true });

const MOST_SHORT = 128;

/** A decoded string. If the bytes are not valid UTF-8, `hex` has the bytes, and the text contains U+FFFD. */
export interface Decoded {
  text: string;
  hex: string | undefined;
}

export function decode(bytes: Uint8Array): Decoded {
  const short = shortAscii(bytes);
  if (short !== undefined) return { text: short, hex: undefined };
  try {
    return { text: strict.decode(bytes), hex: undefined };
  } catch {
    return { text: lossy.decode(bytes), hex: hexOf(bytes) };
  }
}

/**
 * Decodes ASCII without TextDecoder. Nearly all names are ASCII, and TextDecoder takes longer than reading all other
 * fields of a process.
 */
function shortAscii(bytes: Uint8Array): string | undefined {
  if (bytes.length > MOST_SHORT) return undefined;
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) >= 0x80) return undefined;
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** Does not use Buffer, which browsers do not have. */
const hexOf = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Returns the bytes before the first NUL. */
export function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Splits bytes at NUL bytes. A NUL at the end does not start another part. */
export function splitNul(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    parts.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    if (end < 0) break;
    at = end + 1;
  }
  return parts;
}

// Control characters (C0, DEL, C1), line and paragraph separators, and characters that reorder or hide text.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;

/**
 * Makes a text safe to print: characters that could move the cursor, break the line or reorder text become \xNN or
 * \u{N}.
 */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** Does the same as {@link printable} for a text of several lines, and keeps the line breaks. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');
