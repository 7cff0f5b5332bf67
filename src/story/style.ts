/** What the style sheet of a story adds to that of a report. */
export const storyStyle = `
.story h1:focus { outline: none; } .story-part { border-top: 1px solid var(--line); margin: 1.2rem 0; padding-top: .8rem; } .story-part > h2 { font-size: 1.15rem; } .story section.report { border: 0; margin: 0; padding: 0; }
svg.chart-line { height: 7rem; background: var(--card); border-bottom: 1px solid var(--line); border-radius: 4px 4px 0 0; } svg.chart-line .line { fill: none; stroke-width: 2; } svg.chart-line .area { stroke: none; fill-opacity: .25; }
.chart-usage.line { stroke: var(--blue); } .chart-usage.area { fill: var(--blue); } .chart-some.line { stroke: var(--amber); } .chart-some.area { fill: var(--amber); }
.chart-full.line { stroke: var(--red); } .chart-full.area { fill: var(--red); } .chart-limit.line { stroke: var(--red); stroke-dasharray: 6 4; }
.moments td { padding-right: .8rem; } .moments td:nth-child(2) { white-space: nowrap; } .moments tr.chosen { background: var(--chosen); }
@media (max-width: 46rem) { .moments thead { display: none; } .moments tbody tr { display: flex; flex-wrap: wrap; gap: 0 .7rem; padding: .3rem 0; border-top: 1px solid var(--line); } .moments td { padding: 0; } .moments td:nth-child(3) { flex-basis: 100%; } }
`;
