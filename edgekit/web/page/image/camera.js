// Pictures from the camera, live, and from files.

// A phone's photo has more pixels than a canvas may have on iOS.
const MAX_SIDE = 2048;

/** True if the page may ask for the camera: browsers give it to secure contexts only. */
export function hasCamera() {
  return Boolean(globalThis.isSecureContext && navigator.mediaDevices?.getUserMedia);
}

/** Start the camera in a video element; returns a function that stops it. */
export async function startCamera(video) {
  const wish = {facingMode: "environment", width: {ideal: 640}, height: {ideal: 480}};
  const stream = await navigator.mediaDevices.getUserMedia({video: wish, audio: false});
  video.srcObject = stream;
  await video.play();
  return () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}

/** What a video shows now. */
export function frameOf(video, canvas) {
  return drawn(video, video.videoWidth, video.videoHeight, canvas);
}

/** The picture in a file, upright: a bitmap's default is to follow the camera's mark. */
export async function pictureOf(file, canvas) {
  const bitmap = await createImageBitmap(file);
  try {
    return drawn(bitmap, bitmap.width, bitmap.height, canvas);
  } finally {
    bitmap.close();
  }
}

/** Drawn on white, as a viewer shows what is transparent. */
function drawn(source, width, height, canvas) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
