// The page: what is drawn, photographed or chosen goes to the student, and its answer is shown.

import {answerView} from "./answer.js";
import {frameOf, hasCamera, pictureOf, startCamera} from "./camera.js";
import {keepOffline} from "./offline.js";
import {paper} from "./paper.js";
import {fromImageData} from "./picture.js";
import {openStudent} from "./student.js";

const ODD = "This device answers differently than the one where the model was made";
const GREETINGS = {digit: "Draw a digit, or show one.", photo: "Show a picture."};

const find = (selector) => document.querySelector(selector);

async function main() {
  const student = await openStudent();
  const {name, labels, contract} = student.description;
  document.title = name;
  find("#name").textContent = name;
  const view = answerView(labels);
  const answer = answerer(student, view);
  if (contract.domain === "digit") useDrawing(answer, view);
  usePhotos(answer);
  say(GREETINGS[contract.domain]);
  if (student.complaint) find("#odd").textContent = `${ODD}: ${student.complaint}.`;
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

function say(text, isProblem = false) {
  const status = find("#status");
  status.textContent = text;
  status.classList.toggle("problem", isProblem);
}

/** Classifies the newest picture that it is given; those that come while it is busy are skipped but for the last. */
function answerer(student, view) {
  let waiting = null;
  let busy = false;

  return async function answer(takePixels) {
    waiting = takePixels;
    if (busy) return;
    busy = true;
    while (waiting !== null) {
      const take = waiting;
      waiting = null;
      await nextFrame();
      try {
        const result = await student.look(fromImageData(take()));
        view.show(result);
        document.documentElement.dataset.output = Array.from(result.output).join(" ");
        say("");
      } catch (error) {
        view.clear();
        say(error.message, true);
      }
    }
    busy = false;
  };
}

function nextFrame() {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

function useDrawing(answer, view) {
  const sheet = paper(find("#paper"), () => answer(sheet.pixels));
  const button = find("#clear");
  show("#paper");
  button.hidden = false;
  button.addEventListener("click", () => {
    stopCamera();
    sheet.clear();
    show("#paper");
    view.clear();
    say(GREETINGS.digit);
  });
}

function usePhotos(answer) {
  find("#file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    stopCamera();
    try {
      const pixels = await pictureOf(file, show("#picture"));
      await answer(() => pixels);
    } catch {
      say(`${file.name} cannot be read as a picture; choose a JPEG or PNG file.`, true);
    }
    // So that the same file can be chosen again.
    event.target.value = "";
  });
  if (!hasCamera()) return;
  find("#live").hidden = false;
  find("#live").addEventListener("click", () => (camera === null ? watch(answer) : stopCamera()));
}

// What stops the camera while it runs.
let camera = null;

async function watch(answer) {
  const video = show("#camera");
  const frame = document.createElement("canvas");
  try {
    camera = await startCamera(video);
  } catch (error) {
    say(`The camera cannot be used (${error.message}); choose a picture instead.`, true);
    return;
  }
  find("#live").textContent = "Stop";
  while (camera !== null) {
    if (video.videoWidth && !document.hidden) await answer(() => frameOf(video, frame));
    await nextFrame();
  }
}

function stopCamera() {
  camera?.();
  camera = null;
  find("#live").textContent = "Camera";
}

/** Show the paper, the camera or a picture, and only that. */
function show(selector) {
  for (const other of ["#paper", "#camera", "#picture"]) find(other).hidden = other !== selector;
  return find(selector);
}

// What is kept for later is fetched when the page works.
main()
  .catch((error) => say(`The model cannot be opened: ${error?.message ?? error}`, true))
  .then(() => keepOffline(find("#offline")));
