"""The look of the page: one column of text, drawings as wide as it, light and dark by the reader's own setting."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark; --paper: #fdfcfa; --card: #ffffff; --ink: #1d1f24; --soft: #565b66; --quiet: #8b909b;
  --line: #e6e3dd; --good: #1f7a4d; --bad: #b3402e; --dot-light: .62; --dot-chroma: .16; --series-0: #2457d6;
  --series-1: #c4551a; --series-2: #23865f; --series-3: #8a4fc7; --series-4: #a8326b; --series-5: #7d6a12;
  --series-6: #15808f; --series-7: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1b1e24; --ink: #e9e8e4; --soft: #b0b4bd; --quiet: #868c98; --line: #2d3139;
    --good: #5cc795; --bad: #f08a76; --dot-light: .74; --dot-chroma: .14; --series-0: #7aa2ff; --series-1: #f0955c;
    --series-2: #5cc799; --series-3: #c096f2; --series-4: #ee85b5; --series-5: #d3bd55; --series-6: #5cc6d6;
    --series-7: #9ca3af;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 60rem; padding: 3.5rem 1.5rem 5rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-feature-settings: "kern", "liga"; hanging-punctuation: first; text-rendering: optimizeLegibility;
}
h1, h2 {
  font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "Noto Serif", "DejaVu Serif", serif;
  font-weight: 600; text-wrap: balance;
}
h1 { font-size: 2.3rem; line-height: 1.15; letter-spacing: -.012em; margin: 0 0 .4rem; }
h2 { font-size: 1.42rem; line-height: 1.25; margin: 3.6rem 0 .35rem; }
p { margin: 0 0 1rem; text-wrap: pretty; }
.lead { color: var(--soft); font-size: 1.06rem; max-width: 44rem; }
.note { color: var(--soft); font-size: .94rem; max-width: 44rem; margin-bottom: 1.2rem; }
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(7.2rem, 1fr)); gap: 1.4rem 1.4rem;
  margin: 2.2rem 0 0; padding: 1.3rem 0 0; border-top: 1px solid var(--line);
}
.figures dt { font-size: .82rem; color: var(--soft); }
.figures dd {
  margin: 0; font-size: 1.75rem; line-height: 1.25; font-variant-numeric: tabular-nums lining-nums;
  letter-spacing: -.01em;
}
.figures dd small { display: block; font-size: .8rem; color: var(--quiet); letter-spacing: 0; line-height: 1.35; }
svg { display: block; width: 100%; height: auto; overflow: visible; font-family: inherit; }
svg text { fill: var(--ink); font-size: 13px; font-variant-numeric: tabular-nums; }
svg .tick { fill: var(--soft); font-size: 12.5px; }
svg .name { fill: var(--soft); font-size: 12.5px; }
svg .end-label { font-size: 13px; }
svg .own { font-weight: 600; }
svg .mark { font-size: 13px; font-weight: 600; }
.grid { stroke: var(--line); }
.axis { stroke: var(--quiet); }
.curve { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.curve.own { stroke-width: 2.8; }
.level { fill: none; stroke-width: 1.2; stroke-dasharray: 4 4; opacity: .85; }
.area { opacity: .14; }
.dot { stroke: var(--paper); stroke-width: 1.5; }
.bar { fill: var(--series-0); opacity: .82; }
.bar.idle { fill: var(--bad); opacity: 1; }
.bar:hover { opacity: 1; }
.plane circle { opacity: .72; transition: opacity .12s; }
.halo {
  paint-order: stroke; stroke: var(--paper); stroke-width: 4.5px; stroke-linejoin: round; font-weight: 600;
  transition: opacity .12s;
}
.legend {
  list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .8rem 0 0; padding: 0;
  font-size: .86rem; color: var(--soft);
}
.legend li { cursor: default; }
.legend i { display: inline-block; width: .62rem; height: .62rem; border-radius: 50%; margin-right: .38rem; }
.legend small { color: var(--quiet); font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: 0 -1.5rem; padding: 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; font-variant-numeric: tabular-nums lining-nums; }
th { font-weight: 500; color: var(--soft); text-align: left; vertical-align: bottom; padding: .3rem .34rem; }
thead tr:last-child th, thead th[rowspan] { border-bottom: 1px solid var(--quiet); }
th.group { text-align: center; font-variant-caps: small-caps; font-size: 1rem; padding-bottom: 0; }
td { padding: .36rem .34rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
.number { text-align: right; }
.first { padding-left: .95rem; }
td i { display: inline-block; width: .62rem; height: .62rem; border-radius: 2px; margin-right: .45rem; }
tr.own td { background: color-mix(in oklab, var(--series-0) 9%, transparent); font-weight: 500; }
tr.float td { color: var(--soft); }
tbody b { font-weight: 700; }
.gallery {
  display: grid; grid-template-columns: 7.6rem 1fr; gap: 0 1.4rem; padding: 1.15rem 0;
  border-top: 1px solid var(--line); align-items: start;
}
.gallery ol {
  list-style: none; margin: 0; padding: 0; display: grid;
  grid-template-columns: repeat(auto-fill, minmax(5rem, 1fr)); gap: .8rem;
}
.gallery img {
  display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 4px; background: var(--card);
  border: 1px solid var(--line); image-rendering: auto;
}
.gallery p { margin: 0; }
.gallery.text { grid-template-columns: minmax(0, 1fr) minmax(0, 2fr); }
.gallery.text ol { grid-template-columns: 1fr; gap: .55rem; }
.gallery.text li, .gallery.text .query { font-size: .9rem; line-height: 1.45; overflow-wrap: anywhere; }
.gallery.text li { display: grid; grid-template-columns: 1fr 9.5rem; gap: 1rem; }
.gallery.vector { grid-template-columns: 10rem 1fr; }
.gallery.vector ol { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
.caption {
  font-size: .8rem; color: var(--soft); font-variant-numeric: tabular-nums; padding-top: .18rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap;
}
.caption b { font-weight: 600; color: var(--ink); }
.caption em { font-style: normal; margin-left: .4rem; }
.sign { margin-left: .3rem; }
.related .sign { color: var(--good); }
.unrelated .sign { color: var(--bad); }
.unrelated img { border-color: var(--bad); }
.query .caption b { font-weight: 500; color: var(--soft); }
.facts {
  display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.6rem; font-size: .94rem; margin: .8rem 0 0;
}
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
footer {
  margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .86rem;
}
@media (max-width: 40rem) {
  body { padding: 2rem 1.1rem 3rem; }
  h1 { font-size: 1.8rem; }
  .gallery, .gallery.text, .gallery.vector { grid-template-columns: 1fr; gap: .8rem; }
  .gallery.image .query { width: 7rem; }
  .gallery.text li { grid-template-columns: 1fr; gap: 0; }
}
@media print {
  body { max-width: none; padding: 0; }
  h2, article, svg { break-inside: avoid; }
}
"""
