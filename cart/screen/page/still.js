// Screens with one thing to say: welcome, service, lost link.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { LANGUAGE_NAMES } from "./words.js";

export function plain(picture, title, body) {
  return h("div", { key: "plain", class: "plain" }, icon(picture), h("h1", {}, title), body && h("p", {}, body));
}

export function idle({ view, words, act }) {
  const { say } = words;
  const step = (picture, key) => h("li", { key }, icon(picture), h("span", {}, say(key)));
  return h(
    "main",
    { key: "welcome", class: "welcome" },
    h("div", { class: "greeting" }, h("h1", {}, say("idle.title")), h("p", {}, say("idle.body"))),
    h("ol", { class: "steps" }, step("scan", "idle.step.scan"), step("basket", "idle.step.basket"), step("card", "idle.step.pay")),
    h("button", { key: "start", class: "primary start", onclick: () => act.touch({ action: "start" }) }, say("idle.start")),
    h("div", { key: "languages", class: "languages", role: "group", "aria-label": say("language") }, languageButtons(view, act)),
    h("p", { key: "privacy", class: "privacy" }, icon("eye"), say("idle.privacy")),
  );
}

export function languageButtons(view, act, then = () => {}) {
  return view.languages.map((language) =>
    h(
      "button",
      {
        key: language,
        lang: language,
        "aria-pressed": String(language === view.language),
        onclick: () => {
          act.touch({ action: "language", language });
          then();
        },
      },
      LANGUAGE_NAMES[language] ?? language,
    ),
  );
}

/** Over everything while nothing shown can be trusted to be current. */
export function lost({ words }) {
  return h("div", { key: "lost", class: "lost", role: "alert" }, h("div", { class: "card" }, icon("wait"), h("h1", {}, words.say("lost.title")), h("p", {}, words.say("lost.body"))));
}
