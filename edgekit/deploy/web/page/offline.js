// Keeps the page usable without a network, and says where that cannot be.

/** Register the service worker and tell in `place` what became of it. */
export async function keepOffline(place) {
  if (!globalThis.isSecureContext) {
    place.textContent =
      "Opened over plain HTTP: browsers then allow neither the camera nor keeping this page offline. HTTPS allows both.";
    return;
  }
  if (!("serviceWorker" in navigator)) {
    place.textContent = "This browser cannot keep the page offline.";
    return;
  }
  try {
    await navigator.serviceWorker.register("./sw.js");
    await navigator.serviceWorker.ready;
    place.textContent = "Works offline from now on; add it to the home screen to keep it.";
    document.documentElement.dataset.offline = "ready";
  } catch (error) {
    place.textContent = `Not kept offline: ${error.message}`;
  }
}
