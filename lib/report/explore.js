// The section "Explore": one network at a time in all charts, designs within limits, and which of them wins.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const networks = read("networks");
const charts = read("charts");
const questions = read("questions");

const form = document.getElementById("explore");
const fields = form.elements;
const views = {}; // by chart, those drawn so far
let rows = {}; // by chart, those of the network
let brushed = {}; // the rectangle drawn among the designs: [least, most] by column

const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
/** Three digits, rounded up, so that what has this much is within the limit. */
const roundUp = (value) => {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 2);
  return Number((Math.ceil(value / unit - 1e-6) * unit).toPrecision(3));
};
const limits = () => [...form.querySelectorAll("[data-limit]")].filter((field) => field.value !== "");

// ---- charts

const probe = document.body.appendChild(document.createElement("span"));
probe.hidden = true;

function colors() {
  return Object.fromEntries(
    ["ink", "muted", "line", "faint", "surface"].map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  );
}

/** What the charts are given: colours, and what the rows are about. */
const given = () => {
  const about = fields.network.value;
  return { ...colors(), about, workload: networks[about].workload, minimise: fields.minimise.value };
};

/** What a chart shows of the network's rows; copies, as a view takes hold of the rows that it is given. */
const shown = (chart) => {
  const chosen = {
    schemes: (row) => String(row.batch) === fields.batch.value,
    widths: (row) => row.layer === fields.layer.value,
  };
  return rows[chart].filter(chosen[chart] ?? (() => true)).map((row) => ({ ...row }));
};

/** The specification for a box of this width: panels side by side, or below each other where it is narrow. */
function sized(chart, width) {
  const spec = structuredClone(charts[chart]);
  const values = given();
  for (const param of spec.params) if (param.name in values) param.value = values[param.name];
  spec.datasets = { [chart]: shown(chart) };
  spec.config.legend.columns = width < 560 ? 1 : 0;
  if (!spec.concat) return { ...spec, width, autosize: { type: "fit-x", contains: "padding" } };
  spec.columns = width < 640 ? 1 : 2;
  const panel = Math.floor((width - (spec.columns - 1) * spec.spacing) / spec.columns) - 72; // less its axis
  for (const part of spec.concat) part.width = panel;
  return spec;
}

async function draw(chart) {
  const box = document.getElementById(`chart-${chart}`);
  const width = box.clientWidth;
  if (!width || box.dataset.width === String(width)) return;
  box.dataset.width = width;
  views[chart]?.finalize();
  const { view } = await vegaEmbed(box, sized(chart, width), {
    renderer: "canvas", // for thousands of marks
    logLevel: 1, // errors: limits that no design meets leave a panel empty, which is not worth a warning
    actions: { export: true, source: false, compiled: false, editor: false },
    downloadFileName: chart,
  });
  views[chart] = box.view = view;
  if (chart === "designs") {
    if (Object.keys(brushed).length) brush({});
    view.addSignalListener("brush", (_, ranges) => brush(ranges));
  }
}

function brush(ranges) {
  brushed = ranges;
  list();
}

/** Give a chart that is drawn what has changed. */
function refresh(chart) {
  const view = views[chart];
  if (!view || !rows[chart]) return;
  for (const [name, value] of Object.entries(given())) view.signal(name, value);
  view.data(chart, shown(chart)).runAsync();
}

// ---- which design wins

const TIES = ["area_mm2", "energy_uj", "latency_ms"];

/** Less of what is minimised first; of equals the smaller, then the one with less energy. */
function better(a, b) {
  const column = [fields.minimise.value, ...TIES].find((name) => a[name] !== b[name]);
  return column ? a[column] - b[column] : 0;
}

function judge() {
  const flows = [...form.querySelectorAll("[name=dataflow]:checked")].map((box) => box.value);
  const most = limits().map((field) => [field.name, Number(field.value)]);
  for (const row of rows.designs) {
    row.within = flows.includes(row.dataflow) && most.every(([column, limit]) => row[column] <= limit);
    row.winner = false;
  }
  const within = rows.designs.filter((row) => row.within);
  const winner = within.reduce((best, row) => (best && better(best, row) <= 0 ? best : row), undefined);
  if (winner) winner.winner = true;
  announce(winner, within.length);
  list();
  refresh("designs");
}

const element = (tag, ...content) => {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
};

function announce(winner, count) {
  const of = `${digits.format(count)} of ${digits.format(rows.designs.length)} designs shown are within the limits.`;
  const output = document.getElementById("winner");
  if (!winner) {
    output.replaceChildren(element("strong", "No design is within these limits. "), of);
    return;
  }
  const costs = [...fields.minimise.options].map((cost) => {
    const [, name, unit] = cost.text.match(/(.*) \((.*)\)/);
    return `${name} ${digits.format(winner[cost.value])} ${unit}`;
  });
  const operation = ` at ${winner.clock_mhz} MHz, ${winner.dram_gb_per_s} GB/s`;
  output.replaceChildren(
    element("strong", "Winner: ", element("code", winner.design), operation),
    element("br"),
    `${costs.join(" · ")}. ${of}`,
  );
}

/** The best designs within the limits and the rectangle, as a table. */
function list() {
  const sides = Object.entries(brushed);
  const inside = (row) => sides.every(([column, [low, high]]) => low <= row[column] && row[column] <= high);
  const best = rows.designs.filter((row) => row.within && inside(row)).sort(better);
  const table = document.getElementById("shortlist");
  const columns = [...table.tHead.rows[0].cells].map((heading) => heading.dataset.column);
  const cell = (value) => element("td", typeof value === "number" ? digits.format(value) : value);
  table.tBodies[0].replaceChildren(
    ...best.slice(0, 12).map((row) => element("tr", ...columns.map((column) => cell(row[column])))),
  );
  for (const heading of table.tHead.rows[0].cells) heading.ariaSort = null;
}

// ---- controls

/** A slider runs over the logarithm of what the designs have; at its right end there is no limit. */
function ranges() {
  for (const field of form.querySelectorAll("[data-limit]")) {
    const values = [...new Set(rows.designs.map((row) => row[field.name]))].sort((a, b) => a - b);
    if (field.tagName === "SELECT") {
      field.replaceChildren(new Option("any", ""), ...values.map((value) => new Option(`≤ ${value}`, value)));
    } else {
      const slider = field.nextElementSibling;
      [slider.min, slider.max] = [Math.log(values[0]), Math.log(values.at(-1))];
    }
  }
}

function slide(field) {
  const slider = field.nextElementSibling;
  if (slider) slider.value = field.value === "" ? slider.max : Math.log(field.value);
}

/** Ask a configured question; -1 is no question: no limits. */
function ask(index) {
  const { minimise = fields.minimise.value, limits: most = {} } = questions[index] ?? {};
  fields.minimise.value = minimise;
  for (const box of form.querySelectorAll("[name=dataflow]")) box.checked = true;
  for (const field of form.querySelectorAll("[data-limit]")) {
    const limit = most[field.name];
    const known = field.tagName !== "SELECT" || [...field.options].some((option) => option.value === String(limit));
    if (limit !== undefined && !known) field.add(new Option(`≤ ${limit}`, limit));
    field.value = limit ?? "";
    slide(field);
  }
  judge();
}

function choose() {
  const { workload, ...tables } = networks[fields.network.value];
  const named = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]])));
  rows = Object.fromEntries(Object.entries(tables).map(([chart, table]) => [chart, table && named(table)]));
  for (const chart of Object.keys(charts)) {
    const panel = document.getElementById(`explore-${chart}`);
    panel.querySelector(".content").hidden = !rows[chart];
    panel.querySelector(".absent").hidden = Boolean(rows[chart]);
  }
  const options = (select, values) => select.replaceChildren(...values.map((value) => new Option(value, value)));
  if (rows.schemes) options(fields.batch, [...new Set(rows.schemes.map((row) => row.batch))]);
  if (rows.widths) options(fields.layer, [...new Set(rows.widths.map((row) => row.layer))]);
  ranges();
  ask(fields.question.value);
  for (const chart of Object.keys(views)) {
    delete document.getElementById(`chart-${chart}`).dataset.width;
    draw(chart);
  }
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", ({ target }) => {
  if (target.name === "network") choose();
  else if (target.name === "question") ask(target.value);
  else if (target.name === "batch") refresh("schemes");
  else if (target.name === "layer") refresh("widths");
  else {
    if (target.type === "range") {
      const field = target.previousElementSibling;
      const end = Number(target.value) > Number(target.max) - 1e-9;
      field.value = end ? "" : roundUp(Math.exp(target.value));
    } else if (target.dataset.limit !== undefined) slide(target);
    fields.question.value = -1;
    judge();
  }
});

choose();
document.addEventListener("theme", () => Object.keys(views).forEach(refresh));
// A chart is drawn when it comes near, and again when its box gets another width.
const near = new IntersectionObserver(
  (boxes) => boxes.filter((box) => box.isIntersecting).forEach(({ target }) => draw(target.dataset.chart)),
  { rootMargin: "600px" },
);
const resized = new ResizeObserver((boxes) =>
  boxes.filter(({ target }) => target.dataset.width).forEach(({ target }) => draw(target.dataset.chart)),
);
for (const box of document.querySelectorAll("[data-chart]")) {
  near.observe(box);
  resized.observe(box);
}
