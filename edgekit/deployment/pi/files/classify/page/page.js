"use strict";
// A drawing, a file or a text goes to /predict as it is; the token comes with the address, behind the #.
const find = (id) => document.getElementById(id);
const canvas = find("canvas");
const pen = canvas.getContext("2d");
let newest = 0;

async function classify(sample) {
  const turn = ++newest;
  const headers = { "Content-Type": sample.type || "application/octet-stream" };
  const token = decodeURIComponent(location.hash.slice(1));
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await (await fetch("predict", { method: "POST", headers, body: sample })).json();
  } catch (error) {
    answer = { error: `The board does not answer (${error.message}).` };
  }
  if (turn === newest) show(answer);
}

function show(answer) {
  find("guesses").replaceChildren(...(answer.guesses || []).slice(0, 3).map((guess) => {
    const item = document.createElement("li");
    for (const text of [guess.label, `${(100 * guess.probability).toFixed(1)} %`]) {
      item.append(Object.assign(document.createElement("span"), { textContent: text }));
    }
    return item;
  }));
  const by = "expert" in answer ? `${answer.expert || "None is sure"}, ` : "";
  find("status").textContent = answer.error || `${by}${answer.ms} ms on the board`;
}

function clear() {
  newest += 1;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  find("guesses").replaceChildren();
  find("status").textContent = "";
}

function draw(event) {
  if (!event.buttons) return;
  const scale = canvas.width / canvas.clientWidth;
  const x = event.offsetX * scale;
  const y = event.offsetY * scale;
  if (event.type === "pointerdown") {
    canvas.setPointerCapture(event.pointerId);
    Object.assign(pen, { lineWidth: 20, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
    pen.beginPath();
    pen.moveTo(x, y);
  }
  pen.lineTo(x, y);
  pen.stroke();
}

canvas.addEventListener("pointerdown", draw);
canvas.addEventListener("pointermove", draw);
canvas.addEventListener("pointerup", () => canvas.toBlob(classify));
find("clear").addEventListener("click", clear);
find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (!file) return;
  const preview = find("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  classify(file);
});
find("read").addEventListener("click", () => classify(new Blob([find("text").value], { type: "text/plain" })));

fetch("model.json").then((reply) => reply.json()).then((model) => {
  document.title = model.name;
  find("name").textContent = model.name;
  find("drawing").hidden = model.domain !== "digit";
  find("writing").hidden = !model.takes.includes("text");
  find("choosing").hidden = !model.takes.includes("image");
});
clear();
