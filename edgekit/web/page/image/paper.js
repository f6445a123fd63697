// A sheet of paper to draw on with a finger, a pen or a mouse.

const PEN_WIDTH = 20;

/** Make the canvas a drawing sheet; changed() is called after each stroke's step. Returns {pixels, clear}. */
export function paper(canvas, changed) {
  const context = canvas.getContext("2d", {willReadFrequently: true});
  let last = null;

  function clear() {
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(context, {lineWidth: PEN_WIDTH, lineCap: "round", lineJoin: "round", strokeStyle: "#000000"});
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * canvas.width,
      ((event.clientY - box.top) / box.height) * canvas.height,
    ];
  }

  function draw(event) {
    if (last === null || !event.isPrimary) return;
    // A fast finger moves several times between two events.
    for (const step of event.getCoalescedEvents?.() ?? [event]) line(place(step));
    line(place(event));
    changed();
  }

  function line(to) {
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...to);
    context.stroke();
    last = to;
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    draw(event);
  });
  canvas.addEventListener("pointermove", draw);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = null));
  clear();
  return {pixels: () => context.getImageData(0, 0, canvas.width, canvas.height), clear};
}
