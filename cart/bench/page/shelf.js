// The shelf: search, departments, and a tile a product with what hands can do with it.
import { element } from "/page/element.js";

// How long hands take between a scan and putting the thing in.
const SCAN_TO_PUT_MS = 600;
const at = (id) => document.getElementById(id);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let chosen = "";

function button(text, className, onClick, label) {
  const made = element("button", className, text);
  made.setAttribute("aria-label", label);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await onClick();
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

export function drawShelf(shelf, act) {
  const money = new Intl.NumberFormat(shelf.locale.replace("_", "-"), { style: "currency", currency: shelf.currency });
  const minorUnits = 10 ** money.resolvedOptions().maximumFractionDigits;
  const tiles = shelf.items.map((item) => ({ item, tile: tile(item, (minor) => money.format(minor / minorUnits), act) }));
  at("tiles").replaceChildren(...tiles.map(({ tile: made }) => made));
  const departments = [...new Set(shelf.items.map((item) => item.department))].sort();
  const filter = () => {
    const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { item, tile: made } of tiles) {
      const text = `${item.name} ${item.sku} ${item.plu || ""} ${item.department}`.toLowerCase();
      const fits = (!chosen || item.department === chosen) && words.every((word) => text.includes(word));
      made.hidden = !fits;
      shown += fits;
    }
    at("nothing").hidden = shown > 0;
  };
  at("departments").replaceChildren(...["", ...departments].map((department) => {
    const chip = element("button", "", department || "everything");
    chip.setAttribute("aria-pressed", String(department === chosen));
    chip.addEventListener("click", () => {
      chosen = department;
      for (const other of at("departments").children) other.setAttribute("aria-pressed", String(other === chip));
      filter();
    });
    return chip;
  }));
  at("search").addEventListener("input", filter);
}

function tile(item, priced, act) {
  const made = element("li", "tile");
  const what = element("div", "what");
  const swatch = element("span", "swatch");
  swatch.dataset.shape = item.shape;
  swatch.style.setProperty("--look", item.look);
  const words = element("div");
  const price = priced(item.price_minor) + (item.unit === "kg" ? " / kg" : "");
  const weight = item.unit === "kg" ? `PLU ${item.plu || "none"}` : item.weight_g === null ? "weight unknown" : `${item.weight_g} g`;
  const facts = element("div", "facts", `${price} · ${weight}`);
  words.append(element("div", "name", item.name), facts);
  if (item.age_min) facts.append(" ", element("span", "tag", `${item.age_min}+`));
  what.append(swatch, words);

  const putIn = () => act("put_in", { sku: item.sku }, `put in ${item.name}`);
  const scan = () => act("scan", { sku: item.sku }, `scanned ${item.name}`);
  const acts = element("div", item.barcode ? "acts" : "acts loose");
  if (item.barcode) {
    acts.append(
      button("Scan + put in", "primary", async () => {
        if (await scan()) {
          await wait(SCAN_TO_PUT_MS);
          await putIn();
        }
      }, `Scan and put in ${item.name}`),
      button("Scan", "", scan, `Scan ${item.name}`),
      button("Put in", "", putIn, `Put in ${item.name}`));
  } else {
    acts.append(
      button("Put in", "", putIn, `Put in ${item.name}`),
      button("Show to camera", "", () => act("show", { sku: item.sku }, `showed ${item.name}`), `Show ${item.name} to the camera`));
  }
  made.append(what, acts);
  return made;
}
