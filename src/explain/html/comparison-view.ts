/** The comparison of a process with the victim: the badness of both, term by term. */
import type { OomComparison, ReportWeight } from '../../model/oom-comparison.ts';
import { safe } from './markup.ts';

export function comparisonView(comparison: OomComparison): string {
  const { victim, other, result, conclusion } = comparison;
  const weights = result === 'is_victim' ? [other] : [victim, other];
  const shown = weights.filter((one) => one !== null);
  const title = `<h4>${result === 'is_victim' ? 'The victim' : 'Why not this process?'}</h4><p>${safe(conclusion)}</p>`;
  if (shown.length === 0) return title;
  const heads = shown.map(
    (one) => `<th scope="col" class="figure">${safe(one.comm)} <span class="dim">${one.pid}</span></th>`,
  );
  const rows = TERMS.filter(({ of, always }) => always === true || shown.some((one) => of(one) !== 0)).map(
    ({ name, of }) =>
      `<tr><th scope="row">${name}</th>${shown.map((one) => `<td class="figure">${signed(of(one))}</td>`).join('')}</tr>`,
  );
  const totals = shown.map((one) => `<td class="figure"><b>${one.points ?? neverWhy(one)}</b></td>`);
  return `${title}<table><caption>oom_badness() in pages</caption><thead><tr><td></td>${heads.join('')}</tr></thead><tbody>${rows.join('')}<tr class="total"><th scope="row">badness</th>${totals.join('')}</tr></tbody></table>${steps(shown)}`;
}

const TERMS: readonly { name: string; of: (weight: ReportWeight) => number; always?: boolean }[] = [
  { name: 'resident', of: ({ rss_pages }) => rss_pages, always: true },
  { name: '+ in swap', of: ({ swap_pages }) => swap_pages, always: true },
  { name: '+ page tables', of: ({ page_tables_pages }) => page_tables_pages, always: true },
  { name: '+ oom_score_adj × a thousandth of the memory that ran out', of: ({ adj_pages }) => adj_pages },
  { name: '+ for root (kernels before 4.17)', of: ({ root_pages }) => root_pages },
  { name: '+ up to the minimum of 1', of: ({ raised_pages }) => raised_pages },
];

const signed = (value: number) => (value < 0 ? `−${-value}` : String(value));

const neverWhy = ({ spared }: ReportWeight) => (spared === 'init' ? 'never: init' : 'never: oom_score_adj -1000');

function steps(weights: readonly ReportWeight[]): string {
  const shifted = weights.filter(
    ({ oom_score_adj, adj_step_pages, spared }) => oom_score_adj !== 0 && adj_step_pages !== null && spared === null,
  );
  const terms = shifted.map(
    ({ comm, oom_score_adj, adj_step_pages, adj_pages }) =>
      `${safe(comm)}: ${signed(oom_score_adj)} × ${adj_step_pages} = ${signed(adj_pages)} pages`,
  );
  return terms.length === 0 ? '' : `<p class="dim">oom_score_adj of ${terms.join('; ')}.</p>`;
}
