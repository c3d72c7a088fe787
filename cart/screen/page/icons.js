// Outline icons as path data, 24 × 24, stroke only.

import { drawn } from "./dom.js";

const PATHS = {
  cart: "M3 5h2.5l2.4 10.5h9.6L20 8.5H6.5 M9.5 19.2h.01 M16 19.2h.01",
  scan: "M4 8V5h3 M17 5h3v3 M20 16v3h-3 M7 19H4v-3 M8 9v6 M11 9v6 M13.5 9v6 M16 9v6",
  basket: "M4 10h16l-1.6 9H5.6z M8 10l3-6 M16 10l-3-6",
  card: "M3 6h18v12H3z M3 10h18 M6.5 14.5h4",
  phone: "M7.5 3h9v18h-9z M11 18h2",
  till: "M5 12h14v8H5z M8 12V6h6v6 M9 16h.01 M12 16h.01 M15 16h.01",
  leaf: "M5 19C4 10 10 5 20 5c0 9-5 14-13 12 M5 20c2-5 5-8 9-10",
  bag: "M6 8h12l1 12H5z M9 8V6.5a3 3 0 0 1 6 0V8",
  tag: "M4 4h8l8 8-8 8-8-8z M8.2 8.2h.01",
  hand: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18 M9.6 9.4a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.2.9-1.2 1.9 M12 16.8h.01",
  check: "M5 12.5l4.5 4.5L19 7.5",
  wait: "M7 4h10 M7 20h10 M8 4c0 4 3 5.5 4 8-1 2.5-4 4-4 8 M16 4c0 4-3 5.5-4 8 1 2.5 4 4 4 8",
  minus: "M6 12h12",
  plus: "M12 6v12 M6 12h12",
  close: "M6.5 6.5l11 11 M17.5 6.5l-11 11",
  bin: "M5 7h14 M10 7V4.5h4V7 M7 7l1 13h8l1-13 M10.5 10.5v6 M13.5 10.5v6",
  back: "M11 6l-6 6 6 6 M5 12h14",
  erase: "M9 6h11v12H9l-5-6z M12 9.5l5 5 M17 9.5l-5 5",
  globe: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18 M3 12h18 M12 3c6 6 6 12 0 18 M12 3c-6 6-6 12 0 18",
  person: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8 M4.5 20c1-4.5 4-6 7.5-6s6.5 1.5 7.5 6",
  note: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18 M12 11v5.5 M12 7.5h.01",
  mail: "M3.5 6h17v12h-17z M4 7l8 6 8-6",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13 M15.5 15.5L20 20",
  eye: "M3 12c4.5-7.5 13.5-7.5 18 0-4.5 7.5-13.5 7.5-18 0 M4 4l16 16",
};

export const icon = (name) => drawn(PATHS[name]);
