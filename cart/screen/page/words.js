// Every word on the screen, in every language: one table a language, the same keys in each (a test compares them).

import { de } from "./words_de.js";
import { en } from "./words_en.js";
import { es } from "./words_es.js";
import { fr } from "./words_fr.js";

export const TABLES = { en, de, fr, es };
export const LANGUAGE_NAMES = { en: "English", de: "Deutsch", fr: "Français", es: "Español" };

/** A name the cart sent and no table knows, made readable: `waits.sort_it_out` is "Sort it out", `sku:0099` "0099". */
export function readable(name) {
  const plain = name.replace(/^[a-z]+[:.]/, "").replaceAll("_", " ").trim();
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

function regional(language, locale) {
  const region = locale.replace("_", "-").split("-")[1];
  for (const tag of [region ? `${language}-${region}` : language, locale.replace("_", "-"), "en"]) {
    try {
      return new Intl.Locale(tag).toString();
    } catch {
      continue;
    }
  }
  return "en";
}

/** What a view's language, locale and currency make of words, money (minor units), weights (grams) and item names. */
export function speaker({ language, locale, currency }) {
  const table = TABLES[language.split(/[-_]/)[0]] ?? en;
  const tag = regional(language, locale);
  const money = new Intl.NumberFormat(tag, { style: "currency", currency });
  const scale = 10 ** money.resolvedOptions().maximumFractionDigits;
  const weight = new Intl.NumberFormat(tag, { style: "unit", unit: "kilogram", minimumFractionDigits: 3, maximumFractionDigits: 3 });
  const percent = new Intl.NumberFormat(tag, { style: "percent", maximumFractionDigits: 2 });
  const find = (key) => table[key] ?? en[key];
  const say = (key, values = {}) => (find(key) ?? readable(key)).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  return {
    tag,
    say,
    knows: (key) => find(key) !== undefined,
    count: (key, n, values = {}) => say(n === 1 ? `${key}.one` : `${key}.many`, { n, ...values }),
    money: (minor) => money.format(minor / scale),
    kilograms: (grams) => (grams === null ? "–" : weight.format(grams / 1000)),
    percent: (basisPoints) => percent.format(basisPoints / 10000),
    name: (item) => item.names?.[language] ?? item.name,
  };
}
