// Light and dark, and tables that sort by the column whose heading is clicked.

const root = document.documentElement;
const darkScheme = matchMedia("(prefers-color-scheme: dark)");

/** Whether the page is dark: as chosen, else as the system is. */
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : darkScheme.matches);

function themeChanged() {
  const button = document.getElementById("theme");
  button.textContent = isDark() ? "☀ Light" : "☾ Dark";
  document.dispatchEvent(new Event("theme"));
}

document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // A browser that keeps nothing for local files forgets the choice; the page works all the same.
  }
  themeChanged();
});
darkScheme.addEventListener("change", themeChanged);

const NUMBER = /^[+−-]?[\d,]*\.?\d+(e[+-]?\d+)?( ?(%|bits?|points))?$/;
const NOTHING = /^(|–|nan|none.*|more)$/;

/** Compare two cells: numbers by value, text as people sort it, what is not there last. */
function compare(a, b, numeric) {
  const nothing = [a, b].map((text) => NOTHING.test(text));
  if (nothing[0] || nothing[1]) return { last: true, order: nothing[0] - nothing[1] };
  const value = (text) => parseFloat(text.replaceAll(",", "").replace("−", "-"));
  return { order: numeric ? value(a) - value(b) : a.localeCompare(b, "en", { numeric: true }) };
}

function sortBy(table, heading) {
  const descending = heading.ariaSort === "ascending";
  for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
  heading.ariaSort = descending ? "descending" : "ascending";
  const text = (row) => row.cells[heading.cellIndex].textContent.trim();
  const rows = [...table.tBodies[0].rows];
  const numeric = rows.every((row) => NUMBER.test(text(row)) || NOTHING.test(text(row)));
  rows.sort((one, other) => {
    const { order, last } = compare(text(one), text(other), numeric);
    return descending && !last ? -order : order;
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, heading));
    heading.append(button);
  }
}
themeChanged();
