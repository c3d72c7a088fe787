// A whole screen is described anew from each view; only what differs touches the document. Data becomes text nodes and
// attributes, never markup.

const KEY = Symbol("key");
const PROPS = Symbol("props");
const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "disabled", "hidden", "inert"]);

/** Describe an element: `on…` props are functions, null and false leave an attribute away, false children are dropped. */
export function h(tag, props, ...children) {
  const shown = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
  return { tag, props: props ?? {}, children: shown.map((child) => (typeof child === "object" ? child : String(child))) };
}

/** An outline icon, 24 × 24, drawn from path data; decoration only. */
export function drawn(path) {
  return { tag: "svg", props: { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, children: [{ tag: "path", props: { d: path }, children: [] }] };
}

/** Make `parent`'s children what `wanted` describes, keeping the elements (and their focus and scroll) that stay. */
export function patch(parent, wanted) {
  const keyed = new Map();
  const others = [];
  for (const node of parent.childNodes) {
    if (node[KEY] === undefined) others.push(node);
    else keyed.set(node[KEY], node);
  }
  const nodes = wanted.map((item) => {
    const node = claim(item, keyed, others);
    if (typeof item === "string") {
      if (node.data !== item) node.data = item;
    } else {
      dress(node, item.props);
      patch(node, item.children);
    }
    return node;
  });
  for (const node of [...keyed.values(), ...others]) node.remove();
  nodes.forEach((node, index) => {
    const here = parent.childNodes[index];
    if (here !== node) parent.insertBefore(node, here ?? null);
  });
}

function claim(item, keyed, others) {
  if (typeof item === "string") {
    const at = others.findIndex((node) => node.nodeType === Node.TEXT_NODE);
    return at < 0 ? document.createTextNode(item) : others.splice(at, 1)[0];
  }
  const key = item.props.key;
  if (key !== undefined) {
    const node = keyed.get(key);
    if (node?.localName === item.tag) {
      keyed.delete(key);
      return node;
    }
  } else {
    const at = others.findIndex((node) => node.localName === item.tag);
    if (at >= 0) return others.splice(at, 1)[0];
  }
  const drawing = item.tag === "svg" || item.tag === "path";
  const node = drawing ? document.createElementNS(SVG, item.tag) : document.createElement(item.tag);
  if (key !== undefined) node[KEY] = key;
  return node;
}

function dress(node, props) {
  const before = node[PROPS] ?? {};
  for (const name of Object.keys(before)) if (!(name in props)) set(node, name, null);
  for (const [name, value] of Object.entries(props)) {
    if (name !== "key" && (before[name] !== value || name === "value")) set(node, name, value);
  }
  node[PROPS] = props;
}

function set(node, name, value) {
  if (name.startsWith("on")) node[name] = value;
  else if (name === "value") {
    if (node.value !== (value ?? "")) node.value = value ?? "";
  } else if (PROPERTIES.has(name)) node[name] = Boolean(value);
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}
