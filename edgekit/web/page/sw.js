// Keeps every file of the page, checked against its hash, so that it opens without a network.
//
// precache.js is made with the bundle: {version, files: {name: sha256}}. A new version is fetched whole before it takes
// the old one's place; files that did not change are taken from there.

importScripts("./precache.js");

const {version, files} = self.PRECACHE;
const PREFIX = `edgekit ${self.registration.scope} `;
const CACHE = PREFIX + version;

self.addEventListener("install", (event) => {
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOld().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(self.registration.scope)) return;
  const name = url.href.slice(self.registration.scope.length).split(/[?#]/)[0] || "index.html";
  if (name in files) event.respondWith(kept(name, event.request));
});

async function kept(name, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(name)) ?? fetch(request);
}

async function fill() {
  const cache = await caches.open(CACHE);
  await Promise.all(Object.entries(files).map(async ([name, sum]) => cache.put(name, await obtain(name, sum))));
}

/** A file with the right hash: an older version's, the copy that the page has just fetched, or the server's. */
async function obtain(name, sum) {
  const place = name === "index.html" ? "./" : name;
  for (const cache of ["", "force-cache", "reload"]) {
    const response = await (cache ? fetch(place, {cache}) : caches.match(name));
    if (response?.ok && (await sha256(response.clone())) === sum) return response;
  }
  throw new Error(`${name} is not the file that belongs to this version`);
}

async function sha256(response) {
  const digest = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function removeOld() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}
