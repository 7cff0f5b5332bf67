/** The word that was probably meant: the one that takes the fewest edits, at most two and fewer than half its letters. */
export function nearest(given: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = 3;
  for (const word of words) {
    const edits = distance(given, word);
    if (edits < fewest && edits < word.length / 2) {
      best = word;
      fewest = edits;
    }
  }
  return best;
}

/** ` Did you mean "webhook"?`, or nothing. */
export function didYouMean(given: string, words: readonly string[]): string {
  const word = nearest(given, words);
  return word === undefined ? '' : ` Did you mean "${word}"?`;
}

/** Letters to insert, remove, replace, or swap with their neighbour. */
function distance(a: string, b: string): number {
  if (a.length > 2 * b.length + 2) return a.length; // too long to matter, however long
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let edits = Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, (before[j - 2] ?? 0) + 1);
      next[j] = edits;
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
