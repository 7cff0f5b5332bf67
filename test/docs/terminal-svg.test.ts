import { expect, test } from 'vitest';
import { terminalSvg } from '../../scripts/docs/terminal-svg.ts';

const rowsOf = (svg: string) => [...svg.matchAll(/<text .*?>(.*)<\/text>/g)].map(([, row]) => row);

test('writes text as SVG text, and colour and weight as classes', () => {
  const svg = terminalSvg('\x1b[31mKILLED\x1b[0m \x1b[1mhog\x1b[22m \x1b[2mwhy\x1b[0m\n', 'a kill');
  expect(rowsOf(svg)).toEqual([
    '<tspan class="c1">KILLED</tspan> <tspan class="b">hog</tspan> <tspan class="d">why</tspan>',
  ]);
  expect(svg).toContain('<title>a kill</title>');
});

test('escapes the special characters of XML, and leaves out other escape sequences and empty lines', () => {
  expect(rowsOf(terminalSvg('\x1b[2Ka < b & c\n\n\x1b[0;92mok\n', ''))).toEqual([
    'a &lt; b &amp; c',
    '<tspan class="c2">ok</tspan>',
  ]);
});
