"""What is wrong with a page for a hand, an eye or a screen reader: scripts that return one line a finding."""

from __future__ import annotations

# Every target a finger is meant for that is smaller than 64 px.
SMALL_TARGETS = """
return [...document.querySelectorAll("button:not(.key), input")]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.textContent || each.ariaLabel, each.getBoundingClientRect()])
  .filter(([, box]) => box.width < 63.5 || box.height < 63.5)
  .map(([name, box]) => `small: ${name} ${box.width}x${box.height}`);
"""
# Text that its box cuts off.
OVERFLOWS = """
return [...document.querySelectorAll("h1, button, .total output, .price, .weight, .code, .strip p")]
  .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 2)
  .filter((each) => getComputedStyle(each).display !== "inline")
  .map((each) => `cut: ${each.className || each.localName}: ${each.textContent}`);
"""
NAMELESS = """
return [...document.querySelectorAll("button, input, output")]
  .filter((each) => each.checkVisibility() && !(each.ariaLabel || each.textContent.trim()))
  .map((each) => `nameless: ${each.outerHTML}`);
"""
# WCAG 2.2, 1.4.3: 4.5 to 1, or 3 to 1 for text of 24 px, 18.66 px if bold. What a question dims doesn't count.
FAINT = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const light = (colour) => {
  const [red, green, blue] = parts(colour).map((value) => linear(value / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if ((parts(colour)[3] ?? 1) >= 1) return colour;
  }
  return "rgb(255, 255, 255)";
};
const over = document.querySelector(".over");
const dimmed = (node) => over && over.parentElement.contains(node) && !over.contains(node);
const written = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
return [...document.querySelectorAll("#app *")]
  .filter((each) => each.checkVisibility() && written(each) && !each.closest("button:disabled") && !dimmed(each))
  .map((each) => {
    const style = getComputedStyle(each);
    const [lighter, darker] = [light(style.color), light(behind(each))].sort((one, other) => other - one);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    return [each.textContent, (lighter + 0.05) / (darker + 0.05), wanted];
  })
  .filter(([, ratio, wanted]) => ratio < wanted)
  .map(([text, ratio]) => `faint: ${text} ${ratio.toFixed(2)}`);
"""
SMALL_OR_HIDDEN_KEYS = """
return [...document.querySelectorAll(".key")].map((each) => [each.textContent, each.getBoundingClientRect()])
  .filter(([, box]) => box.width < 63.5 || box.height < 63.5 || box.bottom > innerHeight || box.right > innerWidth)
  .map(([name, box]) => `${name} ${box.width}x${box.height} to ${box.bottom}`);
"""
