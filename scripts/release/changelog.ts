/** Closes the section of unreleased changes in CHANGELOG.md: https://keepachangelog.com */
const HEADING = '## [Unreleased]';
/** A sentence that is wrong once something is released. */
const NOTHING_YET = 'Nothing is released yet. These features exist:\n\n';

/** The text of the section, without its heading. undefined: there is no such section. */
function unreleased(text: string): string | undefined {
  const start = text.indexOf(`${HEADING}\n`);
  if (start === -1) return undefined;
  const rest = text.slice(start + HEADING.length + 1);
  const end = rest.search(/^## \[/m);
  return (end === -1 ? rest : rest.slice(0, end)).replace(NOTHING_YET, '').trim();
}

/** Why the changelog cannot be closed; undefined: it can. */
export function changelogProblem(text: string): string | undefined {
  const section = unreleased(text);
  if (section === undefined) return `CHANGELOG.md: expected a section "${HEADING}", found none.`;
  if (!/^\s*[-*] \S/m.test(section))
    return `CHANGELOG.md: expected changes below "${HEADING}", found none: there is nothing to release.`;
  return undefined;
}

/** @param date such as 2026-11-28. @returns the text with an empty section of unreleased changes above the new one */
export function closeChangelog(text: string, version: string, date: string): string {
  return text.replace(NOTHING_YET, '').replace(`${HEADING}\n`, `${HEADING}\n\n## [${version}] - ${date}\n`);
}
