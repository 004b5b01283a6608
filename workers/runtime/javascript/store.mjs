// `$.service.db`: a snapshot that came with the invocation, and one frame for each `set`.

import { encode } from "./json.mjs";
import { byteLength, limitError } from "./wire.mjs";

const MAX_KEY_BYTES = 256;
const MAX_BYTES = 1024 * 1024;
const { parse, stringify } = JSON;

/**
 * The store of one run. `snapshot` is the JSON object text of the platform; `changed(key, text)`
 * tells of each set, with text undefined for a removal. The store's size is that of its compact
 * JSON object in UTF-8.
 */
export function makeStore(snapshot, changed) {
  let entries = null; // Map of key to JSON text, made at the first use
  let size = 0;

  function open() {
    if (entries !== null) return;
    entries = new Map();
    for (const [key, value] of Object.entries(parse(snapshot))) entries.set(key, stringify(value));
    size = byteLength(snapshot);
  }

  return {
    get(key) {
      open();
      const text = entries.get(checkKey(key));
      return text === undefined ? undefined : parse(text);
    },
    set(key, value) {
      open();
      key = checkKey(key);
      const text = value === undefined ? undefined : encode(value, `value of "${key}"`);
      const grown = size + entrySize(key, text) - entrySize(key, entries.get(key));
      if (grown > MAX_BYTES && grown > size) {
        throw limitError(
          "Store Limit Exceeded",
          `the store would hold ${grown} bytes, ${MAX_BYTES} are allowed`,
        );
      }
      changed(key, text);
      size = grown;
      if (text === undefined) entries.delete(key);
      else entries.set(key, text);
    },
  };
}

/** Bytes that an entry adds to the object: key, colon, value, comma. */
function entrySize(key, text) {
  return text === undefined ? 0 : byteLength(stringify(key)) + byteLength(text) + 2;
}

function checkKey(key) {
  const text = typeof key === "number" ? String(key) : key;
  if (typeof text !== "string") throw new TypeError(`a store key is text, not ${typeof key}`);
  if (text === "") throw new TypeError("a store key is not empty");
  if (!text.isWellFormed() || text.includes("\0")) {
    throw new TypeError("a store key holds no NUL and no lone surrogate");
  }
  if (byteLength(text) > MAX_KEY_BYTES) {
    throw new TypeError(`a store key has at most ${MAX_KEY_BYTES} bytes: ${text.slice(0, 40)}…`);
  }
  return text;
}
