// The likeliest classes with their probabilities, and how long the model took.

import {median} from "./numbers.js";

const SHOWN = 10;
// Of the latencies shown, the median of so many: a browser's clock is coarse, and single runs jump.
const REMEMBERED = 15;

/** A view of answers: show(result) and clear(). */
export function answerView(labels) {
  const best = document.querySelector("#best");
  const list = document.querySelector("#labels");
  const latency = document.querySelector("#latency");
  const rows = makeRows(list, Math.min(labels.length, SHOWN));
  const times = [];

  function show({probabilities, ms}) {
    const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
    best.textContent = labels[order[0]];
    // Few classes keep their places, so that the eye finds them; of many the likeliest are shown.
    const shown = labels.length <= SHOWN ? labels.map((_, i) => i) : order.slice(0, SHOWN);
    list.hidden = false;
    rows.forEach((row, i) => row(labels[shown[i]], probabilities[shown[i]]));
    times.push(ms);
    if (times.length > REMEMBERED) times.shift();
    latency.textContent = `${median(times).toFixed(1)} ms`;
  }

  function clear() {
    best.textContent = "–";
    list.hidden = labels.length > SHOWN;
    rows.forEach((row, i) => row(labels[i], 0));
  }

  clear();
  return {show, clear};
}

function makeRows(list, count) {
  return Array.from({length: count}, () => {
    const [item, name, bar, share] = ["li", "span", "progress", "span"].map((tag) => document.createElement(tag));
    item.append(name, bar, share);
    list.append(item);
    return (label, probability) => {
      name.textContent = label;
      bar.value = probability;
      bar.setAttribute("aria-label", label);
      share.textContent = `${(100 * probability).toFixed(1)} %`;
    };
  });
}
