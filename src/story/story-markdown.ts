/** A story as Markdown, for a ticket or a postmortem. Names are escaped, so that none can become a link or a mention. */
import { prose, reportSection, safe } from '../explain/render/markdown.ts';
import { formatBytes } from '../text/format.ts';
import { choiceOf, factsOf, leadUpOf } from './facts.ts';
import { formatOffset, momentsOf, reportOf, type Story } from './story.ts';

export function storyMarkdown(story: Story): string {
  const report = reportOf(story);
  const facts = factsOf(story).map(([name, text]) => `| ${name} | ${safe(text)} |`);
  const moments = momentsOf(story)
    .filter(({ event }) => event.type !== 'oom.report')
    .map(({ event, atSeconds }) => `| ${formatOffset(atSeconds)} | ${event.type} | ${prose(event.message)} |`);
  return [
    `## ${prose(story.head.message)}`,
    '',
    ...['| | |', '|---|---|', ...facts],
    ...before(story),
    ...choice(story),
    ...['', '### What happened', '', '| time | event | |', '|---:|---|---|', ...moments],
    ...(report ? ['', reportSection(report)] : []),
  ].join('\n');
}

function before(story: Story): string[] {
  const leadUp = leadUpOf(story);
  if (!leadUp) return [];
  const { samples, growers } = leadUp;
  const [first, last] = [samples[0], samples.at(-1)];
  const size = (bytes: number | null | undefined) =>
    bytes === null || bytes === undefined ? 'unknown' : formatBytes(bytes);
  const grew = growers.map(
    ({ comm, pid, growth_bytes_per_second: speed, rss_bytes }) =>
      `- ${safe(comm)} (pid ${pid}) grew by ${size(speed)} a second, ${formatBytes(rss_bytes)} resident`,
  );
  const sentence = `Usage went from ${size(first?.usage_bytes)} to ${size(last?.usage_bytes)} in ${Math.round((last?.at_seconds ?? 0) - (first?.at_seconds ?? 0))} s.`;
  return ['', '### Before', '', sentence, '', ...grew];
}

function choice(story: Story): string[] {
  const rows = choiceOf(story).map(
    ({ pid, comm, bytes, adj, chosen }) =>
      `| ${chosen ? '**killed**' : ''} | ${safe(comm)} | ${pid} | ${formatBytes(bytes)} | ${adj} |`,
  );
  if (rows.length === 0) return [];
  return [
    '',
    '### Candidates of the kernel',
    '',
    '| | process | pid | memory | oom_score_adj |',
    '|---|---|---:|---:|---:|',
    ...rows,
  ];
}
