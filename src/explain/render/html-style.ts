/** The style sheet of the page, for narrow and wide screens, light and dark mode, and print. */
export const style = `
:root { color-scheme: light dark; --ink: #1c2127; --dim: #5b6672; --paper: #fff; --card: #f4f6f8; --line: #d5dbe1;
  --red: #c4314b; --amber: #b26a00; --green: #2c7a4b; --blue: #2f6db5; --violet: #7a4fb0; --grey: #9aa5b1; --pale: #dfe5ea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --dim: #9fabb7; --paper: #14181c; --card: #1d2329; --line: #333c45;
  --red: #ef6a7f; --amber: #e0a040; --green: #5cb583; --blue: #6aa5e8; --violet: #b08be0; --grey: #6b7783; --pale: #2a323a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main { max-width: 70rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin: 1.2rem 0 0; } h2 { font-size: 1.3rem; margin: 0 0 .4rem; } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
header p { margin: 0; } .dim { color: var(--dim); font-weight: normal; }
section { border-top: 1px solid var(--line); margin: 1.4rem 0; padding-top: 1.2rem; }
.why { font-size: 1.1rem; margin: .2rem 0 .6rem; } .victim { color: var(--red); }
ul, ol { padding-left: 1.3rem; margin: .3rem 0; } .advice li { margin: .35rem 0; }
svg { display: block; width: 100%; } svg.bar { height: 2rem; border-radius: 4px; } svg.share { height: .7rem; background: var(--pale); border-radius: 3px; }
svg.zone { height: 1.3rem; background: var(--pale); border-radius: 3px; } svg.timeline { height: 6rem; border-bottom: 1px solid var(--line); }
figure { margin: .6rem 0; } figcaption { display: flex; justify-content: space-between; gap: 1rem; flex-wrap: wrap; font-size: .85rem; color: var(--dim); }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; } .key { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .35rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; margin: .8rem 0; align-items: start; }
.card { background: var(--card); border-radius: 8px; padding: .2rem 1rem .9rem; min-width: 0; } .card h3 { margin-top: .7rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } td, th { padding: .18rem .4rem .18rem 0; text-align: left; vertical-align: middle; }
td.figure, th:not(:first-child) { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; } td.chart { width: 30%; min-width: 4rem; padding-left: .4rem; } .when { margin: 0; }
tr.killed td.name { color: var(--red); } .wide { overflow-x: auto; } .tasks { min-width: 34rem; } .tasks tbody tr { border-top: 1px solid var(--line); }
.zone-row p { margin: .4rem 0 .15rem; font-size: .92rem; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; } dt { color: var(--dim); } dd { margin: 0; }
details { margin-top: 1rem; } summary { cursor: pointer; color: var(--blue); }
.part-anonymous { fill: var(--red); background: var(--red); } .part-shared { fill: var(--amber); background: var(--amber); }
.part-file-cache { fill: var(--green); background: var(--green); } .part-kernel { fill: var(--blue); background: var(--blue); }
.part-page-tables { fill: var(--violet); background: var(--violet); } .part-huge-pages { fill: var(--grey); background: var(--grey); }
.part-other { fill: var(--dim); background: var(--dim); } .part-free { fill: var(--pale); background: var(--pale); }
.hour, .holder-bar { fill: var(--blue); } .victim-bar, .free-low { fill: var(--red); } .free-fine { fill: var(--green); }
.mark { fill: var(--ink); } .mark-min { fill: var(--red); } .mark-low { fill: var(--amber); }
@media print { :root { color-scheme: light; } body { font-size: 11pt; } section.report { break-before: page; } .card { border: 1px solid var(--line); break-inside: avoid; }
  summary { display: none; } details::details-content { content-visibility: visible; display: block; } svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .key { print-color-adjust: exact; } }
`;
