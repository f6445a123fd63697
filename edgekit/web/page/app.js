// The page: what is drawn, photographed, chosen or written goes to the student, and its answer is shown.

import {answerView} from "./answer.js";
import {ask} from "./ask.js";
import {keepOffline} from "./offline.js";
import {openStudent} from "./student.js";

const ODD = "This device answers differently than the one where the model was made";

const find = (selector) => document.querySelector(selector);

async function main() {
  const student = await openStudent();
  const {name, labels, contract} = student.description;
  document.title = name;
  find("#name").textContent = name;
  const view = answerView(labels);
  ask({contract, answer: answerer(student, view), clear: view.clear, say});
  if (student.complaint) find("#odd").textContent = `${ODD}: ${student.complaint}.`;
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

function say(text, isProblem = false) {
  const status = find("#status");
  status.textContent = text;
  status.classList.toggle("problem", isProblem);
}

/** Classifies the newest sample that it is given; those that come while it is busy are skipped but for the last. */
function answerer(student, view) {
  let waiting = null;
  let busy = false;

  return async function answer(takeSample) {
    waiting = takeSample;
    if (busy) return;
    busy = true;
    while (waiting !== null) {
      const take = waiting;
      waiting = null;
      await nextFrame();
      try {
        const result = await student.look(take());
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

// What is kept for later is fetched when the page works.
main()
  .catch((error) => say(`The model cannot be opened: ${error?.message ?? error}`, true))
  .then(() => keepOffline(find("#offline")));
