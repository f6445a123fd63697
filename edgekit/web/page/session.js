// The one door between the page and whatever executes the student.
//
//   const session = await load(url, description)   description: what model.json says of the file
//   const output = await session.run(input)        typed arrays of the types that the description names
//   session.close()
//
// runtime.js exports open(bytes, description), which returns such a session. It is the one of runtimes/ that the page is
// built with.

import {open} from "./runtime.js";

/** Fetch a model file and open it. */
export async function load(url, description) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be fetched: ${response.status} ${response.statusText}.`);
  return open(new Uint8Array(await response.arrayBuffer()), description);
}
