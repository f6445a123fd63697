// The student is shown what is drawn, photographed or chosen.

import {frameOf, hasCamera, pictureOf, startCamera} from "./camera.js";
import {paper} from "./paper.js";
import {fromImageData} from "./picture.js";

const GREETINGS = {digit: "Draw a digit, or show one.", photo: "Show a picture."};

const find = (selector) => document.querySelector(selector);

/** Ask for what is shown; answer(take) shows what the student makes of what take() gives. */
export function ask({contract, answer, clear, say}) {
  const greet = () => say(GREETINGS[contract.domain]);
  const look = (takePixels) => answer(() => fromImageData(takePixels()));
  if (contract.domain === "digit") useDrawing(look, () => (clear(), greet()));
  usePhotos(look, say);
  greet();
}

function useDrawing(look, cleared) {
  const sheet = paper(find("#paper"), () => look(sheet.pixels));
  const button = find("#clear");
  show("#paper");
  button.hidden = false;
  button.addEventListener("click", () => {
    stopCamera();
    sheet.clear();
    show("#paper");
    cleared();
  });
}

function usePhotos(look, say) {
  find("#file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    stopCamera();
    try {
      const pixels = await pictureOf(file, show("#picture"));
      await look(() => pixels);
    } catch {
      say(`${file.name} cannot be read as a picture; choose a JPEG or PNG file.`, true);
    }
    // So that the same file can be chosen again.
    event.target.value = "";
  });
  if (!hasCamera()) return;
  find("#live").hidden = false;
  find("#live").addEventListener("click", () => (wanted ? stopCamera() : watch(look, say)));
}

// What stops the camera while it runs, and whether it shall: the browser asks for permission meanwhile.
let camera = null;
let wanted = false;

async function watch(look, say) {
  const video = show("#camera");
  const frame = document.createElement("canvas");
  wanted = true;
  find("#live").textContent = "Stop";
  let stop;
  try {
    stop = await startCamera(video);
  } catch (error) {
    stopCamera();
    say(`The camera cannot be used (${error.message}); choose a picture instead.`, true);
    return;
  }
  if (!wanted || camera !== null) {
    stop();
    return;
  }
  camera = stop;
  while (camera === stop) {
    if (video.videoWidth && !document.hidden) await look(() => frameOf(video, frame));
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

function stopCamera() {
  camera?.();
  camera = null;
  wanted = false;
  find("#live").textContent = "Camera";
}

/** Show the paper, the camera or a picture, and only that. */
function show(selector) {
  for (const other of ["#paper", "#camera", "#picture"]) find(other).hidden = other !== selector;
  return find(selector);
}
