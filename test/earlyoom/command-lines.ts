/**
 * Command lines for earlyoom. None of them can kill: the comparison adds --dryrun to each, and the thresholds of all but
 * the marked ones are never reached.
 */

export interface CommandLine {
  argv: readonly string[];
  /** The thresholds are always reached: what --dryrun writes about it is compared. */
  fires?: true;
}

const LONG = `5${'0'.repeat(300)}`;

/** Command lines whose words contain no blank. */
const plain = `
-m 20|-m 10.5|-m 10,2|-m 5,10|-m 5,|-m ,5|-m 0x10|-m 0x1p3|-m 1e1|-m .5|-m 5.|-m +5|-m 7,3.14|-m 5,0|-m2,1 -s50,25
-m 0|-m 0,0|-m -0|-m -5|-m 1,-1|-m 1000,-1000|-m 100|-m 99.5|-m abc|-m 5%|-m 5x,3|-m 5,3x|-m 10,5,2|-m ,|-m nan
-m inf|-m -inf|-m infinity|-m 1e999|-m 1e-999|-m 2147483648|-m 4294967296|-m 1e30|-m 0.125|-m 3.125,1.375|-m 0x|-m 0xg|-m 1e
-M 1000000|-M 1000000,500000|-M 0|-M -1|-M 10M|-M 99999999999|-M 9999999999999999|-m 50 -M 1000000|-M 1000000 -m 1
-M 2147483648000|-M 10K|-M 5,10
-s 2|-s 100|-s 101|-s 0|-s -10|-s 2,1|-s 1,2|-s 12.34|-s 2147483648|-s 50,60|-s ,50
-S -1|-S 0|-S 2147483648|-S 4294967296|-S x
-r 0|-r=0|-r 0.1|-r 60|-r x|-r -1|-r -0|-r 1e10|-r nan|-r inf|-r 3600
-v|-h|--help|-d|--debug|-i|-k|-n|-g|-p|-gp|-gdn -r 60|-i -k|-vh|-hv|-m 0 -v|-v -m 0|-x -v|-v -x
--dryrun|--ignore-root-user|--sort-by-rss|--ignore-root-user --sort-by-rss|--syslog|--sort|--s|--i|--ig x|--ignore-r|--dry|--d
--dryrun=1|--help=x|--prefer|--avoid|--ignore|--nonsense|--nonsense=5|--no-sense|-x|-xy|-mx|-m|-N|-r|-:|-gx|--|-|xyz|-i 1|-- -m|a b
-g xyz -m 3|-m 3 xyz -x|--pref a|--prefer=a|--prefer=a --prefer=b|--prefer a --avoid b --ignore c|--avoid a -m 0
--prefer ^(chrome|firefox)$|--avoid (^|/)(init|X|sshd|firefox)$|--ignore ^.{3}$|--prefer (|--avoid [|--ignore a{2,1}
--prefer *a|--prefer +|--prefer a||--prefer ()|--prefer a{3}|--prefer a{|--prefer {1}|--prefer )|--prefer a)|--prefer [a-|--prefer [z-a]
--prefer ^*|--prefer a{,2}|--prefer a{2|--prefer a{40000}|--prefer a|*b|--prefer a**|--prefer []a]|--prefer [^]a]|--prefer [[=a=]]|--prefer [[.-.]-a]
--prefer [[:alpha:]]|--prefer [[:nonsense:]]|--prefer (?:a)|--prefer \\|--prefer a\\.b|--prefer (a)\\1|--prefer \\d|--prefer \\<a|--prefer \\ba|--prefer \\wa|--prefer \\1|--prefer (a\\1)|--prefer ((a)b)\\2x|--prefer [\\d]
-N /bin/true|-N true|-N ./true|-N /nonexistent/script|-N /etc/passwd|-N /tmp|-n -N /bin/true --sort-by-rss -r 5|-P /bin/true|-P true|-P
`;

export const commandLines: readonly CommandLine[] = [
  { argv: [] },
  ...plain
    .trim()
    .split('\n')
    .flatMap((line) => splitAt(line))
    .map((words) => ({ argv: words.split(' ') })),
  { argv: ['-m', ''] },
  { argv: ['-m', ' 5'] },
  { argv: ['-m', '5 '] },
  { argv: ['-m', LONG] },
  { argv: ['-r', ''] },
  { argv: [''] },
  { argv: ['--prefer', ''] },
  { argv: ['--prefer', 'a b'] },
  { argv: ['--avoid', 'ü'] },
  { argv: ['-m', '99', '-s', '100'], fires: true },
  { argv: ['-m', '99,99', '-s', '100,100'], fires: true },
  { argv: ['-m', '99', '-s', '100', '-g', '--sort-by-rss'], fires: true },
  { argv: ['-m', '99', '-s', '100', '--ignore', '.*'], fires: true },
  { argv: ['-m', '99', '-s', '100', '-d'], fires: true },
];

/** Differences from 1.8.2 that are meant, with the reason. */
export function reasonFor({ argv }: CommandLine): string | undefined {
  if (argv.some((word) => /^(-h.*|--help)$/.test(word))) return 'The help lists the same options, in words of its own.';
  if (argv.some((word) => word.startsWith('-P')))
    return 'The option -P is that of earlyoom 1.9, which 1.8.2 does not have.';
  return undefined;
}

/** Splits at "|" that stands between command lines: not inside a pattern. */
function splitAt(line: string): string[] {
  const parts: string[] = [];
  for (const part of line.split(/\|(?=-|$|xyz|a b)/)) if (part !== '') parts.push(part);
  return parts;
}
