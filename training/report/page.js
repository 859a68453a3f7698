"use strict";
// A button in each header of a table sorts it; figures by data-v, an unknown one last either way.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rows = [...body.rows], cell = row => row.cells[i];
      const numeric = rows.some(row => cell(row).dataset.v !== undefined);
      const value = row => numeric ? parseFloat(cell(row).dataset.v) : cell(row).textContent.trim();
      const before = head.getAttribute("aria-sort");
      const sign = before === "descending" || (!before && !numeric) ? 1 : -1;
      rows.sort((a, b) => {
        const x = value(a), y = value(b);
        if (!numeric) return sign * x.localeCompare(y, undefined, { numeric: true });
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return sign * (x - y);
      });
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      body.append(...rows);
    });
  });
}
