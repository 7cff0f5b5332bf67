/** A story as text for a terminal. */
import { renderReport } from '../explain/render/text.ts';
import { renderLeadUp } from '../render/lead-up.ts';
import type { Paint } from '../render/paint.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { choiceOf, type Fact, factsOf, leadUpOf } from './facts.ts';
import { formatOffset, momentsOf, reportOf, type Story } from './story.ts';

/** @param width columns of the terminal @returns lines without a final newline; names cannot move the cursor */
export function storyText(story: Story, paint: Paint, width: number): string {
  const { head, number } = story;
  const sections = [
    `${paint('bold', printable(head.message))}\n${rows(factsOf(story), paint)}`,
    section('Before', beforeText(story, paint), paint),
    section('Candidates of the kernel', choiceText(story), paint),
    section('What happened, in seconds from the event', timeText(story, paint), paint),
    section('The kernel’s report', reportText(story, paint, width), paint),
  ];
  return [`${paint('dim', `Entry ${number}`)}`, ...sections.filter((text) => text !== '')].join('\n\n');
}

const section = (title: string, body: string, paint: Paint) => (body === '' ? '' : `${paint('bold', title)}\n${body}`);

const rows = (facts: readonly Fact[], paint: Paint) =>
  facts.map(([name, text]) => `  ${paint('dim', name.padEnd(16))} ${text}`).join('\n');

function beforeText(story: Story, paint: Paint): string {
  const leadUp = leadUpOf(story);
  return leadUp ? rows(renderLeadUp(leadUp), paint) : '';
}

function choiceText(story: Story): string {
  return choiceOf(story)
    .map(({ pid, comm, bytes, adj, chosen }) => {
      const mark = chosen ? '→' : ' ';
      return `  ${mark} ${formatBytes(bytes).padStart(10)}  oom_score_adj ${String(adj).padStart(5)}  ${printable(comm)} (pid ${pid})`;
    })
    .join('\n');
}

function timeText(story: Story, paint: Paint): string {
  return momentsOf(story)
    .filter(({ event }) => event.type !== 'oom.report')
    .map(
      ({ event, atSeconds }) =>
        `  ${formatOffset(atSeconds).padStart(10)}  ${paint('dim', event.type.padEnd(15))} ${printable(event.message)}`,
    )
    .join('\n');
}

function reportText(story: Story, paint: Paint, width: number): string {
  const report = reportOf(story);
  return report ? renderReport(report, paint, width) : '';
}
