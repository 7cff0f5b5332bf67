/**
 * True when the whole `text` matches `pattern`. In the pattern, `*` stands for any number of characters, "/" included,
 * and `?` for one character. Takes at most |pattern| × |text| steps for every pattern and text.
 */
export function globMatch(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** True when the pattern matches the path of this cgroup or of one of its ancestors. */
export function cgroupMatch(pattern: string, path: string): boolean {
  return globMatch(pattern, path) || globMatch(`${pattern === '/' ? '' : pattern}/*`, path);
}
