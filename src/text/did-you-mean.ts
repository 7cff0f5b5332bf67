/** The choice that `word` is most likely a misspelling of; undefined when none is similar enough. */
export function closestSpelling(word: string, choices: readonly string[]): string | undefined {
  return near(word, choices)[0];
}

/**
 * The choices that `word` may be a misspelling of, the most similar first. One change for every three letters is
 * allowed.
 */
export function near(word: string, choices: readonly string[]): string[] {
  const most = Math.max(1, Math.floor(word.length / 3));
  return (
    choices
      // the difference in length is the smallest possible number of changes
      .filter((choice) => Math.abs(choice.length - word.length) <= most)
      .map((choice) => ({ choice, away: distance(word.toLowerCase(), choice.toLowerCase()) }))
      .filter(({ away }) => away <= most)
      .sort((a, b) => a.away - b.away)
      .map(({ choice }) => choice)
  );
}

/** 'Did you mean "x"?', or the list of choices. */
export function suggestion(word: string, choices: readonly string[]): string {
  const meant = closestSpelling(word, choices);
  return meant === undefined ? `Expected one of ${choices.join(', ')}.` : `Did you mean "${meant}"?`;
}

/** The number of letters to add, drop, change, or swap with the next letter (the edit distance of Damerau, 1964). */
function distance(a: string, b: string): number {
  const rows: number[][] = [[...Array(b.length + 1).keys()]];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const above = rows[i - 1] as number[];
      let least = Math.min(
        (row[j - 1] as number) + 1,
        (above[j] as number) + 1,
        (above[j - 1] as number) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, ((rows[i - 2] as number[])[j - 2] as number) + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? Number.POSITIVE_INFINITY;
}
