// The receipt: what was paid for, how each line came about, and who was involved.

import { h } from "./dom.js";
import { icon } from "./icons.js";

export function receipt({ view, words }) {
  const { say, money, count, knows } = words;
  const paper = view.receipt;
  if (paper === null) return h("div", { key: "waiting", class: "plain" }, icon("check"), h("h1", {}, say("pay.approved")));
  const staff = paper.staff_interventions === 0 ? say("receipt.staff.none") : count("receipt.staff", paper.staff_interventions);
  const remote = paper.remote_reviewers === 0 ? say("receipt.remote") : say("receipt.watched", { n: paper.remote_reviewers });
  const named = (method) => (knows(`method.${method}`) ? say(`method.${method}`) : method);
  return h(
    "article",
    { key: "receipt", class: "receipt", tabindex: "0", "aria-label": say("receipt.title") },
    h("h1", {}, say("receipt.title")),
    h("p", { class: "people" }, icon("eye"), h("strong", {}, remote), " ", staff),
    h("ul", {}, paper.lines.map((line, index) => h("li", { key: index }, bought(line, words)))),
    h(
      "dl",
      {},
      paper.savings_minor > 0 && [h("dt", { key: "st" }, say("receipt.savings")), h("dd", { key: "sd" }, money(paper.savings_minor))],
      h("dt", { key: "tt", class: "sum" }, say("receipt.total")),
      h("dd", { key: "td", class: "sum" }, money(paper.total_minor)),
      paper.refunded_minor > 0 && [h("dt", { key: "rt" }, say("receipt.refunded")), h("dd", { key: "rd" }, money(paper.refunded_minor))],
      paper.taxes.map((tax) => [
        h("dt", { key: `t${tax.tax}` }, `${tax.tax} · ${say(tax.included ? "receipt.tax" : "receipt.tax.added", { rate: words.percent(tax.rate_bp) })}`),
        h("dd", { key: `d${tax.tax}` }, money(tax.tax_minor)),
      ]),
    ),
    paper.tenders.length > 1
      ? h("dl", { class: "tenders" }, paper.tenders.map((tender) => [
          h("dt", { key: `t${tender.attempt_id}` }, say("receipt.reference", { method: named(tender.method), reference: tender.reference })),
          h("dd", { key: `d${tender.attempt_id}` }, money(tender.amount_minor)),
        ]))
      : h("p", { class: "soft" }, say("receipt.reference", { method: named(paper.method), reference: paper.reference })),
    h("p", { class: "soft" }, `${paper.store_id} · ${paper.cart_id} · ${paper.trip_id}`),
    paper.training && h("p", { key: "training", class: "soft" }, say("training")),
  );
}

function bought(line, { say, money, kilograms }) {
  const how =
    line.unit === "kg"
      ? say("line.kg", { weight: kilograms(line.weight_g), price: money(line.unit_price_minor) })
      : say("line.each", { n: line.units, price: money(line.unit_price_minor) });
  const extras = [
    line.deposit_minor > 0 && say("receipt.deposit", { amount: money(line.deposit_minor) }),
    line.savings_minor > 0 && say("line.saved", { amount: money(line.savings_minor) }),
    say(`receipt.proof.${line.proof}`),
  ].filter(Boolean);
  return [
    h("div", { class: "what" }, h("strong", {}, line.name), h("span", { class: "soft" }, [how, ...extras].join(" · "))),
    h("div", { class: "price" }, money(line.price_minor), h("span", { class: "soft" }, ` ${line.tax}`)),
  ];
}
