/** Reads the history and prints what was asked for. */
import { existsSync } from 'node:fs';
import { readConfig } from '../../../config/config.ts';
import { defaultHistoryPath, hintOfRoot } from '../../../history/file.ts';
import type { Filter } from '../../../history/filter.ts';
import { History } from '../../../history/query.ts';
import { OomscopeError } from '../../../model/error.ts';
import { printable } from '../../../text/printable.ts';
import { Exit } from '../../verb/exit.ts';
import { usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';
import { zoneNote } from '../../verb/zone-note.ts';
import type { HistoryContext } from './options.ts';
import { extentNotes, listText, statsText } from './view.ts';

const LIMIT = 100;

/** @returns the exit code. @throws OomscopeError */
export async function answer(context: HistoryContext, action: string | undefined, reference: string): Promise<number> {
  using history = await History.open(await pathOf(context));
  if (action === 'show') return show(history, reference, context);
  return action === 'stats' ? stats(history, context) : list(history, context);
}

async function pathOf({ given }: HistoryContext): Promise<string> {
  if (given.path !== undefined && given.config !== undefined)
    throw usage('Expected one of --path and --config, got both.');
  if (given.path !== undefined) return given.path;
  if (given.config === undefined) return ownPath();
  const { history } = await readConfig(given.config);
  if (!history)
    throw new OomscopeError(
      'CONFIG',
      `${printable(given.config)} has no [history] section, so its daemon keeps no history.`,
    );
  return history.path ?? defaultHistoryPath();
}

/** @throws OomscopeError NO_INPUT: only root has a history here */
function ownPath(): string {
  const path = defaultHistoryPath();
  const hint = existsSync(path) ? '' : hintOfRoot();
  if (hint !== '') throw new OomscopeError('NO_INPUT', `There is no history at ${printable(path)}.${hint}`);
  return path;
}

function filterOf({ given }: HistoryContext): Filter {
  return {
    ...{ sinceMs: given.since, untilMs: given.until, names: given.name, containers: given.container },
    ...{ pods: given.pod, units: given.unit, kinds: given.kind },
  };
}

const print = (text: string) => process.stdout.write(`${text}\n`);

function list(history: History, context: HistoryContext): number {
  const { given, asText, paint } = context;
  const limit = given.limit ?? LIMIT;
  const rows = history.list(filterOf(context), limit + 1);
  const more = rows.length > limit;
  const shown = rows.slice(0, limit).reverse();
  if (!asText) for (const { event } of shown) print(JSON.stringify(event));
  else if (shown.length > 0) {
    // Only a terminal needs short lines.
    const width = process.stdout.isTTY ? terminalColumns(process.stdout) : Number.POSITIVE_INFINITY;
    print(listText(shown, paint, width));
  }
  if (asText) for (const note of extentNotes(history.extent())) tell(note);
  if (more && given.limit === undefined)
    tell(`These are the newest ${limit}: --limit, --since and the other options show others.`);
  if (shown.length === 0) tell('No entry matches.');
  else if (asText && zoneNote() !== '') tell(zoneNote().trim());
  return shown.length > 0 ? Exit.ok : Exit.failed;
}

function stats(history: History, context: HistoryContext): number {
  const { given, asText } = context;
  const by = given.by ?? 'day';
  const sums = history.stats(by, filterOf(context), given.limit ?? LIMIT);
  if (!asText) for (const sum of sums) print(JSON.stringify({ [by]: sum.name, ...without(sum) }));
  else if (sums.length > 0) print(statsText(sums, by));
  if (sums.length === 0) tell('Nothing was killed, and there was no pressure.');
  return sums.length > 0 ? Exit.ok : Exit.failed;
}

const without = ({ name: _, ...rest }: { name: string }) => rest;

async function show(history: History, reference: string, { given, asText, paint }: HistoryContext): Promise<number> {
  const story = history.story(reference);
  if (given.html) {
    const { storyPage } = await import('./page.ts');
    print(storyPage(story));
  } else if (given.markdown) {
    const { storyMarkdown } = await import('../../../story/story-markdown.ts');
    print(storyMarkdown(story));
  } else if (asText) {
    const { storyText } = await import('../../../story/story-text.ts');
    print(storyText(story, paint, Math.min(140, terminalColumns(process.stdout, 120))));
  } else {
    const { momentsOf } = await import('../../../story/story.ts');
    for (const { event } of momentsOf(story)) print(JSON.stringify(event));
  }
  return Exit.ok;
}
