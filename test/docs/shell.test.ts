import { expect, test } from 'vitest';
import { parseMarkdown } from './page.ts';
import { commandsIn, commandsOf } from './shell.ts';

test('splits pipes and lists, keeps quoted words together and leaves comments out', () => {
  expect(commandsIn(`sudo oomscope trace --comm 'a b*' | jq -c '.x | .y' >> out # and so on`)).toEqual([
    ['oomscope', 'trace', '--comm', 'a b*'],
    ['jq', '-c', '.x | .y'],
    ['out'],
  ]);
  expect(commandsIn('a --b=1 && c || d; e &')).toEqual([['a', '--b=1'], ['c'], ['d'], ['e']]);
});

test('takes commands from shell blocks, from the prompts of console blocks and from code within sentences', () => {
  const page = parseMarkdown('Run `npm run x`.\n\n```sh\na \\\n  b\n```\n\n```console\n# c d\noutput\n$ e\n```\n');
  expect(commandsOf(page)).toEqual([['a', 'b'], ['c', 'd'], ['e'], ['npm', 'run', 'x']]);
});
