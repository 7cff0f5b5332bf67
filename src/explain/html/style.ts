/** The style sheet of the page, for narrow and wide screens, light and dark mode, and print. */
export const style = `
:root { color-scheme: light dark; --ink: #1c2127; --dim: #55606b; --paper: #fff; --card: #f4f6f8; --line: #d5dbe1;
  --red: #b8253f; --amber: #9a5b00; --green: #2c7a4b; --blue: #2563a8; --violet: #7a4fb0; --grey: #8a95a1; --pale: #dfe5ea; --chosen: #e3edf8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --dim: #a6b1bc; --paper: #14181c; --card: #1d2329; --line: #3a444e;
  --red: #f07f92; --amber: #e0a040; --green: #5cb583; --blue: #7db2ee; --violet: #b899ea; --grey: #75818d; --pale: #2a323a; --chosen: #22364a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 92rem; padding: 0 1rem 3rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
body.dragged { outline: 4px dashed var(--blue); outline-offset: -8px; }
h1 { font-size: 1.6rem; margin: 1rem 0 0; } h2 { font-size: 1.35rem; margin: 0 0 .4rem; } h3 { font-size: 1.02rem; margin: 1.3rem 0 .3rem; } h4 { font-size: 1rem; margin: .8rem 0 .2rem; }
header p { margin: 0; } .dim { color: var(--dim); font-weight: normal; }
a, .link { color: var(--blue); } :focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; } main:focus, h2:focus { outline: none; }
.skip { position: absolute; left: -100vw; } .skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .3rem .6rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#input { margin: .8rem 0 0; } #input p { margin: .4rem 0; } #status { margin: .5rem 0; min-height: 1.5em; }
textarea { width: 100%; min-height: 11rem; font: .85rem/1.4 ui-monospace, monospace; color: var(--ink); background: var(--card); border: 1px solid var(--grey); border-radius: 8px; padding: .6rem; }
.actions { display: flex; gap: .8rem; flex-wrap: wrap; align-items: center; margin: .5rem 0; } .actions label { min-width: 0; } input[type=file] { max-width: 100%; font: inherit; }
.actions button { font: inherit; padding: .35rem 1.1rem; border-radius: 6px; border: 1px solid var(--blue); background: var(--paper); color: var(--blue); cursor: pointer; } .actions #explain { background: var(--blue); color: var(--paper); }
nav { display: none; } .listed nav { display: block; } nav ol { list-style: none; padding: 0; margin: .5rem 0; font-size: .92rem; } nav li { margin: .45rem 0; line-height: 1.35; }
@media (max-width: 63.99rem) { #contents { max-height: 50vh; overflow: auto; } }
@media (min-width: 64rem) { .listed .columns { display: grid; grid-template-columns: 16rem minmax(0, 1fr); gap: 2rem; } .listed nav { border-right: 1px solid var(--line); padding-right: .8rem; }
  nav details { position: sticky; top: 0; } #contents { max-height: calc(100vh - 3rem); overflow: auto; } }
section, #input { max-width: 76rem; } section { border-top: 1px solid var(--line); margin: 1.4rem 0; padding-top: 1.1rem; scroll-margin-top: .5rem; } main > section:first-child { margin-top: 0; }
.why { font-size: 1.12rem; margin: .6rem 0; } .victim { color: var(--red); }
ul, ol { padding-left: 1.3rem; margin: .3rem 0; } .advice li { margin: .35rem 0; }
svg { display: block; width: 100%; } svg.bar { height: 2rem; border-radius: 4px; } svg.share { height: .7rem; background: var(--pale); border-radius: 3px; }
svg.zone { height: 1.3rem; background: var(--pale); border-radius: 3px; } svg.timeline { height: 6rem; border-bottom: 1px solid var(--line); }
figure { margin: .6rem 0; } figcaption { display: flex; justify-content: space-between; gap: 1rem; flex-wrap: wrap; font-size: .88rem; color: var(--dim); }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; } .key { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .35rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem; margin: .8rem 0; align-items: start; }
.card { background: var(--card); border-radius: 8px; padding: .2rem 1rem .9rem; min-width: 0; } .card h3 { margin-top: .7rem; } .card p { margin: .3rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } td, th { padding: .18rem .5rem .18rem 0; text-align: left; vertical-align: top; font-weight: normal; } thead th, caption, .total th { font-weight: 600; }
caption { text-align: left; padding: .3rem 0; } td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; } td.figure { white-space: nowrap; } td.chart { width: 24%; min-width: 3rem; vertical-align: middle; }
tr.killed .name, tr.killed .name .link { color: var(--red); } .facts { font-size: .92rem; } .place { margin: 0; } .blocks { width: auto; } .blocks td, .blocks th { padding-right: 1.5rem; } .blocks th.figure { max-width: 9rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: .4rem 0; } dt { color: var(--dim); } dd { margin: 0; }
pre { margin: .4rem 0; font: .82rem/1.45 ui-monospace, monospace; overflow-wrap: normal; } .scroll { overflow: auto; } .tall { max-height: 34rem; border: 1px solid var(--line); border-radius: 8px; padding: 0 .6rem .4rem; }
.tasks td, .tasks th, .line td, .line th { padding: .22rem .6rem .22rem 0; } .tasks tbody tr, .line tbody tr { border-top: 1px solid var(--line); } .line { min-width: 50rem; } .line td, .line th { overflow-wrap: normal; } .line td:nth-child(4), .line td:nth-child(6) { overflow-wrap: anywhere; min-width: 10rem; } .tasks .name { min-width: 8rem; }
.tasks thead th, .line thead th { position: sticky; top: 0; background: var(--paper); z-index: 1; } .tasks tr.chosen { background: var(--chosen); } .time { white-space: nowrap; }
.tasks button { font: inherit; font-weight: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit; } .tasks thead button { text-decoration: underline dotted; white-space: nowrap; } .tasks .link { color: var(--blue); text-decoration: underline; }
[aria-sort=ascending] button::after { content: " ▲"; } [aria-sort=descending] button::after { content: " ▼"; }
.comparison table { width: auto; } .comparison tbody th { min-width: 9rem; } .comparison td, .comparison th { padding-right: 1.5rem; } .total { border-top: 2px solid var(--line); }
.fields { margin: .8rem 0; table-layout: fixed; } .fields caption { color: var(--ink); } .fields tbody tr { border-top: 1px solid var(--line); } .fields col { width: 24%; } .fields col:last-child { width: 50%; } .fields th { font-family: ui-monospace, monospace; font-size: .85rem; }
.zone-row p { margin: .4rem 0 .15rem; font-size: .92rem; }
summary { cursor: pointer; color: var(--blue); } summary h3 { display: inline; } .part { margin-top: 1.1rem; } .more { margin: .3rem 0; }
.part-anonymous, .part-swapped-out { fill: var(--red); background: var(--red); } .part-shared, .part-also-in-memory { fill: var(--amber); background: var(--amber); }
.part-file-cache { fill: var(--green); background: var(--green); } .part-kernel { fill: var(--blue); background: var(--blue); }
.part-page-tables { fill: var(--violet); background: var(--violet); } .part-huge-pages { fill: var(--grey); background: var(--grey); }
.part-other { fill: var(--dim); background: var(--dim); } .part-free { fill: var(--pale); background: var(--pale); } .key.part-free { outline: 1px solid var(--grey); }
.hour, .holder-bar { fill: var(--blue); } .victim-bar, .free-low { fill: var(--red); } .free-fine { fill: var(--green); }
.mark { fill: var(--ink); } .mark-min { fill: var(--red); } .mark-low { fill: var(--amber); }
@media (max-width: 46rem) { .line { min-width: 0; } .line thead { display: none; } .line tbody tr { display: flex; flex-wrap: wrap; gap: 0 .7rem; padding: .35rem 0; } .line tbody td { padding: 0; min-width: 0; } .line tbody td:empty { display: none; } .line td:nth-child(4) { flex-basis: 100%; order: 1; } .line td:nth-child(n+5) { order: 2; } }
@media print { :root { color-scheme: light; } body { font-size: 11pt; max-width: none; } #input, nav, .skip { display: none !important; } .listed .columns { display: block; } .tall { max-height: none; border: 0; padding: 0; } .scroll { overflow: visible; } .line { min-width: 0; } .line, .tasks, .fields { font-size: 8pt; } .line td, .line th, .tasks td { overflow-wrap: anywhere; } .tasks td, .tasks th { padding-right: .3rem; } pre { white-space: pre-wrap; font-size: 7pt; }
  section.report { break-before: page; } .card { border: 1px solid var(--line); break-inside: avoid; } svg, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;
