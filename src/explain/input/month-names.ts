/** The names of months in the languages that dmesg -T and date print them in. */

/** Croatian is here although it is rare: its "listopad" is October, in Polish and Czech it is November. */
const LANGUAGES = 'bg ca cs da de el es et fi fr hr hu id it lt lv nb nl pl pt ro ru sk sl sr sv tr uk vi'.split(' ');

let names: Map<string, number | null> | undefined;

/** The month, from 0 to 11; null: the word is no month, or other months have the same name in another language. */
export function monthOf(word: string): number | null {
  const number = /^(\d{1,2})(?:月|월)$/.exec(word)?.[1];
  if (number !== undefined) return Number(number) >= 1 && Number(number) <= 12 ? Number(number) - 1 : null;
  names ??= collect();
  return names.get(plain(word)) ?? null;
}

const plain = (word: string) => word.toLowerCase().replace(/\.$/, '');

function collect(): Map<string, number | null> {
  const found = new Map<string, number | null>();
  const add = (name: string, month: number) => {
    const before = found.get(plain(name));
    found.set(plain(name), before === undefined || before === month ? month : null);
  };
  for (const language of ['en', ...LANGUAGES]) {
    for (const options of [
      { month: 'short' },
      { month: 'long' },
      { month: 'short', day: 'numeric' },
      { month: 'long', day: 'numeric' },
    ] as const) {
      const format = new Intl.DateTimeFormat(language, { ...options, timeZone: 'UTC' });
      for (let month = 0; month < 12; month++) {
        const name = format.formatToParts(Date.UTC(2026, month, 15)).find(({ type }) => type === 'month')?.value ?? '';
        if (/^\p{L}+\.?$/u.test(name)) add(name, month);
      }
    }
  }
  return found;
}
