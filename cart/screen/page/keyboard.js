// Keys on the screen: a kiosk has no keyboard. They only fill the page's own text, and listen to nothing.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const LETTERS = {
  en: ["qwertyuiop", "asdfghjkl", "zxcvbnm"],
  de: ["qwertzuiop", "asdfghjkl", "yxcvbnm"],
  fr: ["azertyuiop", "qsdfghjklm", "wxcvbn"],
  es: ["qwertyuiop", "asdfghjklñ", "zxcvbnm"],
};
const DIGITS = "1234567890";

function rows(layout, language) {
  const letters = LETTERS[language] ?? LETTERS.en;
  if (layout === "digits") return ["12345", "67890"];
  if (layout === "email") return [DIGITS, letters[0].replace("ñ", ""), `${letters[1].replace("ñ", "")}@`, `${letters[2]}.-_`];
  if (layout === "code") return [DIGITS, ...letters.map((row) => row.replace("ñ", "").toUpperCase())].map((row, at) => (at === 3 ? `${row}-` : row));
  return letters;
}

export function keyboard(layout, { view, local, words, act }) {
  const type = (key) => act.set({ text: (local.text + key).slice(0, 254) });
  const hold = (event) => event.preventDefault(); // the field keeps the focus
  const key = (label, onclick, props) => h("button", { key: props?.key ?? label, class: "key", tabindex: "-1", onmousedown: hold, onclick, ...props }, label);
  const shown = rows(layout, view.language);
  const erase = key(icon("erase"), () => act.set({ text: local.text.slice(0, -1) }), { key: "erase", "aria-label": words.say("type.erase") });
  const space = key(" ", () => type(" "), { key: "space", class: "key space", "aria-label": words.say("type.space") });
  return h(
    "div",
    { key: `keyboard-${layout}`, class: `keyboard of-${layout}` },
    shown.map((row, index) => h("div", { key: index, class: "keys" }, [...row].map((letter) => key(letter, () => type(letter))), index === shown.length - 1 && [layout === "letters" && space, erase])),
  );
}
