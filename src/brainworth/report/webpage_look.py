"""The style and the script of the web page; both stand in it.

In Python, so that the page is made again after a change of them (`codehash` follows imports).
"""

STYLE = r"""
:root { color-scheme: light; --ink: #222; --rule: #444; --faint: #ccc; --link: #0072B2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 17px/1.5 "STIX Two Text", STIXGeneral, "Times New Roman", "Liberation Serif", serif; }
a { color: var(--link); }
nav { padding: 1rem 1.5rem; font-size: 15px; line-height: 1.35; background: #f6f6f6; }
nav summary { font-weight: bold; cursor: pointer; }
nav ul { margin: .3rem 0 0; padding: 0; list-style: none; }
nav ul ul { padding-left: 1rem; font-size: 14px; }
nav li { margin: .25rem 0; }
nav a { text-decoration: none; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: .2em 0; }
h2 { margin: 2.4rem 0 .4rem; font-size: 1.4rem; }
h3 { margin: 1.6rem 0 .3rem; font-size: 1.1rem; }
p { margin: .5em 0; }
main > p, main > ul, figcaption, .caption, .note { max-width: 50rem; }
.byline { margin: 0; }
.abstract { margin: .5em 2rem; }
.note, .source, caption { font-size: .86rem; line-height: 1.4; }
.source { margin: .3em 0 0; color: var(--rule); }
.code { font: .76rem/1.5 "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.reference { padding-left: 2.6em; text-indent: -2.6em; font-size: .92rem; }
.reference > span { display: inline-block; min-width: 2.6em; text-indent: 0; }
.listing { font: .76rem/1.5 "DejaVu Sans Mono", monospace; padding: 0; list-style: none;
  columns: 16rem; overflow-wrap: anywhere; }
figure, .table { margin: 1.4rem 0; }
.wide { overflow-x: auto; }
figure img { display: block; width: 100%; height: auto; }
figure button { display: block; width: 100%; padding: 0; border: 0; background: none;
  cursor: zoom-in; }
figcaption { font-size: .92rem; line-height: 1.4; }
table { border-collapse: collapse; min-width: 40%; font-size: .84rem; line-height: 1.3;
  border-top: 2px solid var(--rule); border-bottom: 2px solid var(--rule);
  font-variant-numeric: lining-nums tabular-nums; }
.caption { margin-bottom: .3em; font-size: .92rem; line-height: 1.4; }
th, td { padding: .15em .4em; vertical-align: top; text-align: right; }
td { border-bottom: 1px solid #e4e4e4; }
th { vertical-align: bottom; }
thead tr:last-child th { border-bottom: 1px solid var(--rule); }
th.group { text-align: center; border-bottom: 1px solid var(--faint); }
th.group:empty { border: 0; }
.left { text-align: left; }
.center { text-align: center; }
td.whole { white-space: nowrap; }
td.again { color: #6a6a6a; }
td.again b { font-weight: normal; }
td.wraps { min-width: 14em; }
th button { padding: 0; border: 0; background: none; color: inherit; font: inherit;
  text-align: inherit; cursor: pointer; }
th button::after { content: "\a0\2195"; color: #999; font-weight: normal; }
th[aria-sort=ascending] button::after { content: "\a0\2191"; color: var(--ink); }
th[aria-sort=descending] button::after { content: "\a0\2193"; color: var(--ink); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
dialog { padding: 0; border: 0; max-width: 98vw; max-height: 98vh; overflow: auto; }
dialog::backdrop { background: rgb(0 0 0 / 70%); }
dialog img { display: block; max-width: none; width: 96vw; cursor: zoom-in; }
dialog.natural img { width: auto; cursor: zoom-out; }
dialog button { position: sticky; top: .4rem; left: .4rem; float: left; z-index: 1;
  padding: .3rem .8rem; border: 1px solid var(--rule); background: #fff; font: inherit;
  cursor: pointer; }
@media (min-width: 76rem) {
  body { display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
  nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; }
  main { margin: 0 auto; width: 100%; }
}
@media print {
  @page { size: A4; margin: 16mm 14mm; }
  body { display: block; font-size: 9.5pt; line-height: 1.35; }
  nav, dialog { display: none; }
  main { max-width: none; padding: 0; }
  a { color: inherit; text-decoration: none; }
  h2, h3, .caption { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  thead { display: table-header-group; }
  table { font-size: 6.5pt; }
  th, td { padding: .1em .3em; }
  .wide { overflow: visible; }
  th button::after { content: none !important; }
}
"""

SCRIPT = r"""
"use strict";
// The contents are open where there is room beside the text.
document.querySelector("nav details").open = matchMedia("(min-width: 76rem)").matches;
// Tables are sorted by a click on a header: up, down, as printed.
const valueOf = (row, place) => {
  const text = row.cells[place].textContent.trim();
  const found = text.replace(/[−]/g, "-").replace(/(\d),(?=\d{3})/g, "$1")
    .match(/^[\[<≤\s]*(-?\d+(?:\.\d+)?(?:e-?\d+)?)/);
  return { text, number: found ? Number(found[1]) : null, missing: /^–?[a-z]?$/.test(text) };
};
const compare = (a, b, numeric) => {
  if (a.missing || b.missing) return a.missing - b.missing;
  if (numeric) return (a.number ?? Infinity) - (b.number ?? Infinity);
  return a.text.localeCompare(b.text, "en");
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], printed = [...body.rows];
  const headers = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const sort = (header, place) => {
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    const order = next[header.getAttribute("aria-sort") ?? "none"];
    for (const each of headers) each.removeAttribute("aria-sort");
    if (order !== "none") header.setAttribute("aria-sort", order);
    const rows = printed.map((row) => ({ row, value: valueOf(row, place) }));
    const known = rows.filter(({ value }) => !value.missing);
    const numeric = known.filter(({ value }) => value.number !== null).length > known.length / 2;
    const sign = order === "descending" ? -1 : 1;
    if (order !== "none") {
      rows.sort((a, b) => {
        const gone = a.value.missing || b.value.missing;  // what is missing stays below
        return (gone ? 1 : sign) * compare(a.value, b.value, numeric);
      });
    }
    body.append(...rows.map(({ row }) => row));
  };
  headers.forEach((header, place) => {
    header.querySelector("button").addEventListener("click", () => sort(header, place));
  });
}
// Figures are enlarged by a click; another click shows every pixel of them.
const dialog = document.querySelector("dialog"), large = dialog.querySelector("img");
for (const button of document.querySelectorAll("figure button")) {
  button.addEventListener("click", () => {
    const image = button.querySelector("img");
    large.src = image.src;
    large.alt = image.alt;
    dialog.classList.remove("natural");
    dialog.showModal();
  });
}
large.addEventListener("click", () => dialog.classList.toggle("natural"));
dialog.querySelector("button").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
"""
