/**
 * Removes secrets from a receiver's reply: some receivers repeat the path or the token of a request in error messages.
 */

/** Shorter parts of a URL are common words, not secrets. */
const LEAST_LENGTH = 3;

/** All parts of a URL that may be secrets, encoded and decoded: credentials, parts of the path, the query. */
export function secretsIn(url: URL): string[] {
  const { username, password, pathname, search } = url;
  const credentials = [decoded(username), decoded(password)];
  const parts = [
    ...[username, password, pathname, search.slice(1), ...pathname.split('/'), ...search.split(/[?&=]/)],
    ...(username === '' && password === '' ? [] : [Buffer.from(credentials.join(':')).toString('base64')]),
  ];
  return parts.flatMap((part) => [part, decoded(part), encodeURIComponent(part)]);
}

/** @param cut the text may end in the middle of a secret */
export function redact(text: string, secrets: readonly string[], cut = false): string {
  const known = [...new Set(secrets)]
    .filter(({ length }) => length >= LEAST_LENGTH)
    .sort((a, b) => b.length - a.length);
  const whole = known.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
  return cut ? withoutBeginning(whole, known) : whole;
}

/** Removes the beginning of a secret from the end of a text that was cut. */
function withoutBeginning(text: string, secrets: readonly string[]): string {
  const beginnings = secrets.map((secret) => {
    for (let length = secret.length - 1; length >= LEAST_LENGTH; length--) {
      if (text.endsWith(secret.slice(0, length))) return length;
    }
    return 0;
  });
  const longest = Math.max(0, ...beginnings);
  return longest === 0 ? text : `${text.slice(0, -longest)}…`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a "%" that is not part of an encoded character
  }
}
