/** Extracts the commands from the examples of the documentation. */
import type { DocumentPage } from './page.ts';

/** The commands that a page shows, each as its words: `["oomscope", "trace", "--json"]`. */
export function commandsOf({ blocks, codes }: Pick<DocumentPage, 'blocks' | 'codes'>): string[][] {
  const lines = blocks.flatMap(({ language, text }) => {
    const whole = text.replaceAll(/\\\n\s*/g, ' ').split('\n');
    if (language === 'sh') return whole;
    if (language !== 'console') return [];
    return whole.flatMap((line) => /^[#$] (.*)$/.exec(line)?.slice(1) ?? []);
  });
  return [...lines, ...codes].flatMap(commandsIn);
}

/** The commands of a line, without `sudo` and without comments. Each command of a pipe or list is a separate entry. */
export function commandsIn(line: string): string[][] {
  const commands: string[][] = [[]];
  const word = /\s*(?:(#.*)|(\|\||&&|[|;&()]|\d?>>?|<)|((?:'[^']*'|"[^"]*"|\\.|[^\s|;&()<>'"\\])+))/gy;
  for (let match = word.exec(line); match; match = word.exec(line)) {
    const [, comment, operator, text] = match;
    if (comment !== undefined) break;
    if (operator !== undefined) commands.push([]);
    else if (text !== undefined) commands.at(-1)?.push(text.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return commands.map((words) => (words[0] === 'sudo' ? words.slice(1) : words)).filter((words) => words.length > 0);
}
