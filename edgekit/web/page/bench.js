// The measurement that `edgekit profile --device browser` and `--device phone` take: one job in, one result out.
//
//   GET  ./job.json   {"model": url, "description": {as model.json}, "runs": n, "seconds": s, "warmup": n,
//                      "input": base64 of the input tensor's bytes, or null for zeros}
//   POST ./result     what measure() returns, or {"error": text}; the answer 205 means that there is another job
//
// `runs` samples and `seconds` are both minima.

import {load} from "./session.js";
import {arrayOf, sizeOf} from "./tensors.js";

const DEFAULTS = {runs: 1000, seconds: 5, warmup: 20, input: null};

/** Open the job's model and time runs of it: milliseconds of one run, each the mean of `runs_per_sample` in a row. */
export async function measure(job, onProgress = () => {}) {
  const {model, description, runs, seconds, warmup, input} = {...DEFAULTS, ...job};
  const began = performance.now();
  const session = await load(model, description);
  const loaded = performance.now();
  const values = inputOf(description.input, input);
  let output = await session.run(values);
  const first = performance.now() - loaded;
  // The browser compiles what is hot once more, so the first runs tell little of the later ones.
  for (let i = 0; i < warmup; i++) await session.run(values);
  const warm = performance.now();
  for (let i = 0; i < warmup; i++) await session.run(values);
  const estimate = (performance.now() - warm) / warmup;
  const step = clockStep();
  // Browsers coarsen their clock; a sample is long enough that a step of it is 5 % at most.
  const batch = Math.max(1, Math.ceil((20 * step) / Math.max(estimate, step / 100)));
  const samples = [];
  const end = performance.now() + 1000 * seconds;
  while (samples.length < runs || performance.now() < end) {
    const start = performance.now();
    for (let i = 0; i < batch; i++) output = await session.run(values);
    samples.push((performance.now() - start) / batch);
    // Between samples the page gets its turn, so that it stays alive.
    if (samples.length % 20 === 0) await breathe(() => onProgress(samples.length));
  }
  session.close();
  const again = performance.now();
  (await load(model, description)).close();
  return {
    samples_ms: samples,
    load_ms: loaded - began,
    warm_load_ms: performance.now() - again,
    warmup_runs: 2 * warmup,
    first_ms: first,
    clock_ms: step,
    runs_per_sample: batch,
    output: Array.from(output),
    runtime: description.runtime,
    user_agent: navigator.userAgent,
    cores: navigator.hardwareConcurrency ?? null,
    cross_origin_isolated: globalThis.crossOriginIsolated ?? false,
    secure_context: globalThis.isSecureContext ?? false,
    screen: [screen.width, screen.height, devicePixelRatio],
  };
}

function inputOf(tensor, base64) {
  const Values = arrayOf(tensor.dtype);
  if (base64 === null) return new Values(sizeOf(tensor));
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Values(bytes.buffer);
}

/** The smallest step of the browser's clock, which is coarsened against timing attacks. */
function clockStep() {
  let step = Infinity;
  for (let i = 0; i < 20; i++) {
    const began = performance.now();
    let now = began;
    while (now === began) now = performance.now();
    step = Math.min(step, now - began);
  }
  return step;
}

function breathe(action) {
  action();
  return new Promise((resolve) => setTimeout(resolve, 0));
}

async function main() {
  const status = document.querySelector("#status");
  const say = (text) => {
    status.textContent = text;
  };
  let result;
  try {
    say("Fetching the job…");
    const response = await fetch("./job.json", {cache: "no-store"});
    if (!response.ok) throw new Error(`there is no job here (${response.status})`);
    say("Loading the runtime and the model…");
    result = await measure(await response.json(), (count) => say(`Measuring: ${count} runs…`));
    const sorted = [...result.samples_ms].sort((a, b) => a - b);
    say(`Done: ${sorted.length} runs, median ${sorted[sorted.length >> 1].toFixed(3)} ms.`);
  } catch (error) {
    result = {error: String(error?.message ?? error), user_agent: navigator.userAgent};
    say(`It did not work: ${result.error}`);
  }
  const headers = {"Content-Type": "application/json"};
  const answer = await fetch("./result", {method: "POST", headers, body: JSON.stringify(result)});
  if (answer.status === 205) location.reload();
  else say(`${status.textContent} You can close this page.`);
}

if (document.querySelector("#bench")) main();
