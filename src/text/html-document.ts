/** The HTML around one script and one style that a page carries in itself. */

export interface PageParts {
  script: string;
  style: string;
  /** SHA-256 of script and style, in base64: the policy allows these two only. */
  hashes: { script: string; style: string };
  version: string;
}

/**
 * Returns a whole document whose policy allows its own script and style and nothing else.
 *
 * @param text.title - the title, as HTML
 * @param text.body - what stands in the body before the script, as HTML
 * @param text.bodyClass - the class of the body
 * @param text.mayConnect - whether the script may ask the server that the page came from; other servers it may never ask
 */
export function htmlDocument(
  { script, style, hashes }: PageParts,
  text: { title: string; body: string; bodyClass?: string; mayConnect?: boolean },
): string {
  const connect = text.mayConnect ? "connect-src 'self'; " : '';
  const policy = `default-src 'none'; style-src 'sha256-${hashes.style}'; script-src 'sha256-${hashes.script}'; ${connect}base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<title>${text.title}</title>
<style>${style}</style>
</head>
<body${text.bodyClass ? ` class="${text.bodyClass}"` : ''}>
${text.body}
<script>${script}</script>
</body>
</html>
`;
}
