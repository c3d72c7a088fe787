// The bench page: the shelf and a pair of hands. It shows what is physically so, never what the cart thinks.
import { doVerb, getJson } from "/page/world.js";
import { element } from "/page/element.js";
import { drawShelf } from "/page/shelf.js";

const POLL_MS = 300;
const PICTURE_MS = 400;
const LOG_MAX = 60;
const at = (id) => document.getElementById(id);
const PARTS = [["scale", "Scale"], ["scanner", "Scanner"], ["camera", "Camera"]];

let world = null;
let shelf = { items: [] };

function grams(weight) {
  return weight >= 10000 ? `${(weight / 1000).toFixed(2)} kg` : `${weight.toFixed(weight < 100 ? 1 : 0)} g`;
}

function note(text, bad) {
  const line = element("li", bad ? "bad" : "");
  line.append(element("time", "", new Date().toLocaleTimeString()), text);
  at("log").prepend(line);
  while (at("log").children.length > LOG_MAX) at("log").lastChild.remove();
}

/** Do one verb, say what came of it, and look again. Resolves to true where it was done. */
async function act(verb, body, said) {
  try {
    const answer = await doVerb(verb, body);
    note(answer.sent === false ? `${said}: nothing came, the scanner has no power or no plug` : said, answer.sent === false);
    await look();
    return true;
  } catch (error) {
    note(error.message, true);
    return false;
  }
}

async function look() {
  try {
    world = await getJson("/world");
  } catch {
    at("lamp").dataset.light = "off";
    at("lamp-text").textContent = "the bench has stopped";
    return;
  }
  drawWorld();
}

function drawWorld() {
  const light = world.power.on ? world.pins.light : "off";
  at("lamp").dataset.light = light;
  at("lamp-text").textContent = world.power.on ? `light ${light}` : "no power";
  at("buzzer").toggleAttribute("data-on", world.pins.buzzer);
  at("weight").textContent = grams(world.weight_g);
  drawThings(at("things"), world.things, "Take out", (thing) =>
    act("take_out", { thing: thing.thing }, `took out ${thing.label}`));
  drawThings(at("out"), world.out.slice().reverse(), "Put back", (thing) =>
    act("put_in", { thing: thing.thing }, `put back ${thing.label}`));
  at("basket-empty").hidden = world.things.length > 0;
  at("out-part").hidden = world.out.length === 0;
  const slope = at("slope");
  slope.textContent = world.degrees ? "Back on the level" : "Park on a slope";
  slope.dataset.body = JSON.stringify({ degrees: world.degrees ? 0 : 5 });
  drawSwitches();
  for (const [name, link] of [["screen", at("link-screen")], ["till", at("link-till")]]) {
    link.hidden = !world.links[name];
    if (world.links[name]) link.href = world.links[name];
  }
  for (const button of document.querySelectorAll('[data-verb="lens"]')) {
    button.setAttribute("aria-pressed", String(JSON.parse(button.dataset.body).state === world.lens));
  }
  const cut = document.querySelector('[data-verb="power_cut"]');
  cut.disabled = !world.power.switch || !world.power.on;
}

function drawThings(list, things, verb, onVerb) {
  const key = JSON.stringify(things);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...things.map((thing) => {
    const row = element("li");
    const swatch = element("span", "swatch");
    swatch.style.setProperty("--look", thing.look);
    const button = element("button", "", verb);
    button.setAttribute("aria-label", `${verb} ${thing.label}`);
    button.addEventListener("click", () => onVerb(thing));
    row.append(swatch, element("span", "name", thing.label), element("span", "grams", grams(thing.weight_g)), button);
    return row;
  }));
}

function drawSwitches() {
  const states = PARTS.map(([part, name]) => ({
    name, on: world.plugged[part], words: ["plugged", "unplugged"],
    flip: () => act(world.plugged[part] ? "unplug" : "plug", { part }, `${world.plugged[part] ? "unplugged" : "plugged"} the ${part}`),
  }));
  states.push({
    name: "Network", on: world.network.up, words: ["up", "cut"],
    flip: () => act("network", { up: !world.network.up }, world.network.up ? "cut the network" : "mended the network"),
  });
  const key = JSON.stringify(states.map((state) => state.on));
  if (at("parts").dataset.key === key) return;
  at("parts").dataset.key = key;
  at("parts").replaceChildren(...states.map((state) => {
    const button = element("button", "", state.name);
    button.setAttribute("aria-pressed", String(state.on));
    button.append(element("small", "", state.words[state.on ? 0 : 1]));
    button.addEventListener("click", state.flip);
    return button;
  }));
}

function wireButtons() {
  for (const button of document.querySelectorAll("[data-verb]")) {
    button.addEventListener("click", () =>
      act(button.dataset.verb, JSON.parse(button.dataset.body || "{}"), button.textContent.toLowerCase()));
  }
  at("own").addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const label = String(data.get("label"));
    act("put_in", { label, weight_g: Number(data.get("weight_g")) }, `put in ${label}`);
  });
  at("scan-text").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = String(new FormData(event.target).get("text"));
    act("scan", { text }, `scanned ${text}`);
  });
}

/** The camera's picture, anew as long as the page is looked at. */
function lookThroughCamera() {
  const eye = at("eye");
  const next = () => setTimeout(() => {
    if (document.hidden) next();
    else eye.src = `/world/picture?${Date.now()}`;
  }, PICTURE_MS);
  eye.addEventListener("load", next);
  eye.addEventListener("error", next);
  eye.src = "/world/picture";
}

async function start() {
  wireButtons();
  shelf = await getJson("/shelf");
  drawShelf(shelf, act);
  await look();
  lookThroughCamera();
  setInterval(look, POLL_MS);
}

start().catch((error) => note(`the bench did not start: ${error.message}`, true));
