// The page: what is drawn, photographed or chosen goes to the student, and its answer is shown.

import {answerView} from "./answer.js";
import {frameOf, hasCamera, pictureOf, startCamera} from "./camera.js";
import {keepOffline} from "./offline.js";
import {paper} from "./paper.js";
import {fromImageData} from "./picture.js";
import {openStudent} from "./student.js";

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
  say(contract.domain === "digit" ? "Draw a digit, or show one." : "Show a picture.");
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
  find("#draw").hidden = false;
  const sheet = paper(find("#paper"), () => answer(sheet.pixels));
  find("#clear").addEventListener("click", () => {
    sheet.clear();
    view.clear();
    say("Draw a digit, or show one.");
  });
}

function usePhotos(answer) {
  find("#photo").hidden = false;
  find("#file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    try {
      const pixels = await pictureOf(file, show("#picture"));
      await answer(() => pixels);
    } catch {
      say(`${file.name} cannot be read as a picture; choose a JPEG or PNG file.`, true);
    }
  });
  if (hasCamera()) useCamera(answer);
}

function useCamera(answer) {
  const button = find("#live");
  const video = find("#camera");
  const canvas = document.createElement("canvas");
  let stop = null;
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (stop !== null) {
      stop();
      stop = null;
      button.textContent = "Start the camera";
      return;
    }
    try {
      stop = await startCamera(show("#camera"));
      button.textContent = "Stop the camera";
    } catch (error) {
      say(`The camera cannot be used (${error.message}); choose a picture instead.`, true);
      return;
    }
    while (stop !== null) {
      if (video.videoWidth && !document.hidden) await answer(() => frameOf(video, canvas));
      await nextFrame();
    }
  });
}

/** Show one of the two pictures and hide the other. */
function show(selector) {
  for (const other of ["#picture", "#camera"]) find(other).hidden = other !== selector;
  return find(selector);
}

main().catch((error) => say(`The model cannot be opened: ${error.message}`, true));
keepOffline(find("#offline"));
