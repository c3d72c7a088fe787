// The shopping list, newest first, and the produce that is on the scale.

import { h } from "./dom.js";
import { icon } from "./icons.js";

export function lineList(parts) {
  const { view, words } = parts;
  const { say } = words;
  const shown = view.lines.filter((line) => line.line !== view.produce?.line).reverse();
  if (shown.length === 0 && !view.produce) {
    return h("div", { key: "empty", class: "plain" }, icon("basket"), h("h1", {}, say("empty.title")), h("p", {}, say("empty.body")));
  }
  return h("ul", { key: "lines", class: "lines", tabindex: "0" }, view.produce && onScale(parts), shown.map((line) => row(line, parts)));
}

/** Picked produce: the live weight, large, until the price is settled. */
function onScale({ view, words, act }) {
  const { say, money, kilograms, name } = words;
  const item = view.produce;
  const title = name(view.lines.find((line) => line.line === item.line) ?? item);
  const empty = item.net_g === null || item.net_g <= 0;
  const state = empty ? say("produce.put") : item.stable ? say("produce.steady") : say("produce.settling");
  return h(
    "li",
    { key: "scale", class: `scale ${item.stable && !empty ? "steady" : ""}` },
    h("div", { class: "what" }, h("strong", {}, title), h("span", { class: "soft" }, say("per.kg", { price: money(item.unit_price_minor) }))),
    h("div", { class: "reading" }, h("span", { class: "weight" }, kilograms(empty ? null : item.net_g)), h("span", { class: "mark", role: "status" }, icon(item.stable && !empty ? "check" : empty ? "basket" : "wait"), state)),
    h("div", { class: "price" }, item.price_minor === null ? "" : money(item.price_minor)),
    h("button", { class: "square quiet", "aria-label": say("line.remove", { name: title }), onclick: () => act.touch({ action: "remove", line: item.line }) }, icon("close")),
  );
}

function row(line, parts) {
  const { local, words } = parts;
  const { say, money, kilograms, name } = words;
  const units = local.wanted[line.line] ?? line.units;
  const how =
    line.unit === "kg"
      ? say("line.kg", { weight: kilograms(line.weight_g), price: money(line.unit_price_minor) })
      : say("line.each", { n: units, price: money(line.unit_price_minor) });
  return h(
    "li",
    { key: line.line, class: `line ${line.state}` },
    h(
      "div",
      { class: "what" },
      h("strong", {}, name(line)),
      h("span", { class: "soft" }, how, line.deposit_minor > 0 && ` · ${say("line.deposit", { amount: money(line.deposit_minor) })}`),
      state(line, say),
    ),
    amount(line, units, parts),
    h(
      "div",
      { class: `price ${units === line.units ? "" : "asked"}` },
      money(line.price_minor),
      line.savings_minor > 0 && h("span", { class: "saved" }, say("line.saved", { amount: money(line.savings_minor) })),
    ),
  );
}

function state(line, say) {
  const [picture, text] =
    line.state === "confirmed"
      ? ["check", say(line.proof === "scanned_only" ? "line.scanned_only" : "line.confirmed")]
      : ["wait", line.placed > 0 ? say("line.placed", { placed: line.placed, units: line.units }) : say("line.pending")];
  return h("span", { class: "state" }, icon(picture), h("span", {}, text), line.saving && h("span", { key: "saving", class: "saving" }, say("line.saving")));
}

function amount(line, units, { local, words, act }) {
  const { say, name } = words;
  const label = { name: name(line) };
  const sure = local.sure === line.line;
  const fewer =
    line.unit === "kg" || units <= 1
      ? h("button", { key: "remove", class: `square ${sure ? "sure" : "quiet"}`, "aria-label": say("line.remove", label), onclick: () => act.remove(line) }, sure ? say("line.sure") : icon("bin"))
      : h("button", { key: "fewer", class: "square", "aria-label": say("line.fewer", label), onclick: () => act.quantity(line, -1) }, icon("minus"));
  if (line.unit === "kg") return h("div", { class: "amount" }, fewer);
  return h(
    "div",
    { class: "amount" },
    fewer,
    h("span", { class: "units" }, String(units)),
    h("button", { key: "more", class: "square", "aria-label": say("line.more", label), onclick: () => act.quantity(line, 1) }, icon("plus")),
  );
}
