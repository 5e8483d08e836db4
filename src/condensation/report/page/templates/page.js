"use strict";
// Sorting of tables: the number at the beginning of a cell decides, else its text; cells without a value come last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.classList.contains("number") ? head.ariaSort !== "descending" : head.ariaSort === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => [key(row.cells[column].textContent.trim()), row]);
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
        return falling ? -order : order;
      });
      for (const row of body.rows) row.classList.remove("rule");
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
function key(text) {
  if (!text || text === "-" || text === "failed") return null;
  const number = /^[+-]?[\d,]*\.?\d+(?=$|[\s?%])/.exec(text);
  return number ? Number(number[0].replaceAll(",", "")) : text;
}
// Choice of a class: it is shown alone and enlarged.
for (const gallery of document.querySelectorAll(".gallery")) {
  const choose = gallery.querySelector(".choose"), select = choose.querySelector("select");
  const classes = [...gallery.querySelectorAll(".class")], perPage = Number(gallery.dataset.perPage);
  const images = [...gallery.querySelectorAll("img")];
  const size = images.length ? [images[0].width, images[0].height] : [0, 0];
  choose.hidden = classes.length < 2;
  const show = () => {
    const value = select.value, one = /^\d/.test(value);
    classes.forEach((each, place) => {
      each.hidden = one ? place !== Number(value) : value !== "all" && Math.floor(place / perPage) !== Number(value.slice(1));
      if (one && !each.hidden) for (const image of each.querySelectorAll("img")) [image.width, image.height] = size.map((side) => 2 * side);
    });
    if (!one) for (const image of images) if (image.width !== size[0]) [image.width, image.height] = size;
    gallery.classList.toggle("one", one);
    choose.querySelector(".before").disabled = select.selectedIndex === 0;
    choose.querySelector(".after").disabled = select.selectedIndex === select.length - 1;
  };
  const changed = () => {
    show();
    choose.querySelector(".said").textContent = `Showing ${select.selectedOptions[0].textContent}`;
  };
  select.addEventListener("change", changed);
  for (const [name, step] of [[".before", -1], [".after", 1]]) {
    choose.querySelector(name).addEventListener("click", () => {
      select.selectedIndex += step;
      changed();
    });
  }
  show();
}
