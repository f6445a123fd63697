// Keeps the page usable without a network, and says where that cannot be.

/** Register the service worker and tell in `place` what became of it. */
export async function keepOffline(place) {
  if (!globalThis.isSecureContext) {
    place.textContent =
      "Opened over plain HTTP: browsers then allow neither the camera nor use without a network. HTTPS allows both.";
    return;
  }
  if (!("serviceWorker" in navigator)) {
    place.textContent = "This browser cannot keep the page offline.";
    return;
  }
  try {
    const registration = await navigator.serviceWorker.register("./sw.js");
    await settled(registration.active ?? registration.waiting ?? registration.installing);
    place.textContent = "Works offline from now on; add it to the home screen to keep it.";
    document.documentElement.dataset.offline = "ready";
  } catch (error) {
    place.textContent = `Not kept offline: ${error.message}`;
  }
}

/** Waits until a worker has all files and is at work, or has given up. */
function settled(worker) {
  return new Promise((resolve, reject) => {
    const check = () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(new Error("a file did not arrive as it was made; reload the page."));
    };
    worker.addEventListener("statechange", check);
    check();
  });
}
