/** Damages logs reproducibly, as rate limits, small log buffers, careless tools and hostile process names do. */

const strange = [
  '\x1b[2J',
  '\u202e',
  '\0',
  '\ufffd',
  '9'.repeat(40),
  '-1',
  '0x',
  ')',
  '(',
  'kB',
  ': ',
  '\\x0a',
  '{"MESSAGE":[75,105]}',
  'oom-kill:',
  ' invoked oom-killer: ',
  'Killed process ',
];

/** Damages a line in one random way. @returns no line, one line or two lines */
export function mutateLine(line: string, next: () => number): string[] {
  const at = () => Math.floor(next() * (line.length + 1));
  const one = <T>(list: readonly T[]) => list[Math.floor(next() * list.length)] as T;
  switch (Math.floor(next() * 10)) {
    case 0:
      return [];
    case 1:
      return [line, line];
    case 2:
      return [line.slice(0, at())];
    case 3:
      return [line.slice(at())];
    case 4: {
      const place = at();
      return [line.slice(0, place) + one(strange) + line.slice(place)];
    }
    case 5: {
      const [from, to] = [at(), at()].sort((a, b) => a - b) as [number, number];
      return [line.slice(0, from) + line.slice(to)];
    }
    case 6: {
      const place = at();
      return [line.slice(0, place), line.slice(place)];
    }
    case 7:
      return [line.replace(/\d+/g, (digits) => (next() < 0.3 ? digits + digits : digits))];
    case 8:
      return [line.replace(/\d+/g, (digits) => (next() < 0.3 ? '' : digits))];
    default: {
      const place = at();
      return [line.slice(0, place) + String.fromCharCode(Math.floor(next() * 256)) + line.slice(place + 1)];
    }
  }
}

/** @param share share of the lines to damage, 0 to 1 */
export function mutate(lines: readonly string[], next: () => number, share: number): string[] {
  return lines.flatMap((line) => (next() < share ? mutateLine(line, next) : [line]));
}

/** Mixes the lines of several lists; the lines of each list keep their order. */
export function interleave(lists: readonly (readonly string[])[], next: () => number): string[] {
  const rest = lists.map((list) => [...list]);
  const mixed: string[] = [];
  for (
    let left = rest.filter((list) => list.length > 0);
    left.length > 0;
    left = rest.filter((list) => list.length > 0)
  ) {
    const list = left[Math.floor(next() * left.length)] as string[];
    // Takes up to four lines of a list at a time, because CPUs do not alternate line by line.
    for (let run = 1 + Math.floor(next() * 4); run > 0 && list.length > 0; run--) mixed.push(list.shift() as string);
  }
  return mixed;
}
