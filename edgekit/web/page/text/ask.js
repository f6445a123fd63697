// The student is asked in writing.

const GREETING = "Write a sentence.";
// A pause in the typing after which the answer is sought.
const PAUSE_MS = 150;

/** Ask for what is written; answer(take) shows what the student makes of what take() gives. */
export function ask({answer, clear, say}) {
  const field = document.querySelector("#text");
  let pause = 0;
  field.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(read, PAUSE_MS);
  });

  function read() {
    if (field.value.trim()) return answer(() => field.value);
    clear();
    return say(GREETING);
  }

  document.querySelector("#clear").addEventListener("click", () => {
    field.value = "";
    field.focus();
    read();
  });
  read();
}
