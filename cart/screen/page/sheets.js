// What opens over the stage when it is asked for: produce picker, coupon, language, e-mail.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { keyboard } from "./keyboard.js";
import { languageButtons } from "./still.js";

const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** A handler that returns nothing: a false from `onkeydown` would swallow the key. */
const onKey = (key, action) => (event) => {
  if (event.key === key) action();
};

function sheet(name, title, { words, act }, ...content) {
  return h(
    "div",
    { key: `sheet-${name}`, class: "over full", onkeydown: onKey("Escape", act.close) },
    h(
      "section",
      { class: `card sheet ${name}`, role: "dialog", "aria-label": title },
      h("div", { key: "head", class: "head" }, h("h1", {}, title), h("button", { class: "square quiet", "aria-label": words.say("do.close"), onclick: act.close }, icon("close"))),
      content,
    ),
  );
}

/** A field that the keys below it fill, and a real keyboard too. */
function field(label, { local, act }, { type = "text", onenter = () => {} } = {}) {
  return h("input", {
    key: "field",
    type,
    value: local.text,
    "aria-label": label,
    placeholder: label,
    inputmode: "none",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    maxlength: "254",
    oninput: (event) => act.set({ text: event.target.value }),
    onkeydown: onKey("Enter", onenter),
  });
}

export function produceSheet(parts) {
  const { local, words, act } = parts;
  const { say, money, name } = words;
  const sought = folded(local.text.trim());
  const fits = (item) => folded(name(item)).includes(sought) || folded(item.name).includes(sought) || (item.plu ?? "").startsWith(sought);
  const rank = (item) => local.guesses.indexOf(item.sku) >>> 0; // Not guessed: -1, and so the last of all.
  const found = local.produce.filter(fits).sort((one, other) => rank(one) - rank(other));
  const keys = (layout, label) =>
    h("button", { key: layout, class: "quiet", "aria-pressed": String(local.layout === layout), onclick: () => act.set({ layout: local.layout === layout ? null : layout }) }, label);
  const tile = (item) =>
    h(
      "button",
      { key: item.sku, class: "tile", onclick: () => act.touch({ action: "produce", sku: item.sku }).then((ok) => ok && act.close()) },
      h("strong", {}, name(item)),
      local.guesses.includes(item.sku) && h("span", { key: "guess", class: "guess" }, icon("look"), say("produce.guess")),
      h("span", { class: "soft" }, say("per.kg", { price: money(item.price_minor) }), item.plu && ` · ${say("produce.number", { plu: item.plu })}`),
    );
  return sheet(
    "produce",
    say("produce.title"),
    parts,
    h("div", { key: "search", class: "search" }, icon("search"), field(say("produce.search"), parts), keys("letters", say("produce.letters")), keys("digits", say("produce.digits"))),
    h("div", { key: "tiles", class: "tiles", tabindex: "-1" }, found.map(tile), found.length === 0 && h("p", { key: "none" }, say("produce.none"))),
    local.layout && keyboard(local.layout, parts),
  );
}

function typed(name, title, button, onenter, parts, extra, options = {}) {
  const ready = parts.local.text.trim() !== "" && (options.check?.(parts.local.text.trim()) ?? true);
  const go = () => ready && onenter();
  return sheet(
    name,
    title,
    parts,
    h("div", { key: "row", class: "search" }, field(title, parts, { onenter: go }), h("button", { key: "go", class: "primary", disabled: !ready, onclick: go }, button)),
    extra && h("p", { key: "extra", class: "soft" }, extra),
    keyboard(options.layout, parts),
  );
}

export function couponSheet(parts) {
  const { say } = parts.words;
  return typed("coupon", say("coupon.title"), say("coupon.send"), parts.act.coupon, parts, "", { layout: "code" });
}

export function mailSheet(parts) {
  const { say } = parts.words;
  const options = { layout: "email", check: (text) => /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(text) };
  return typed("mail", say("receipt.mail.title"), say("receipt.mail.send"), parts.act.mail, parts, say("receipt.mail.hint"), options);
}

export function languageSheet(parts) {
  const { view, words, act } = parts;
  return sheet("language", words.say("language"), parts, h("div", { key: "languages", class: "languages", role: "group" }, languageButtons(view, act, act.close)));
}
