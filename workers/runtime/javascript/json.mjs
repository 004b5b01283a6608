// Values of component code as JSON text: what JSON.stringify gives, except that what it would lose
// in silence (functions, symbols, sets, maps, bytes other than a Buffer) or refuse without saying
// where (BigInt, cycles) is an error that names the place.

import { limitError } from "./wire.mjs";

const MAX_DEPTH = 256;
const LOST = [Set, Map, ArrayBuffer];
const { stringify } = JSON;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/**
 * Compact JSON of `value`; undefined at the root is null. Dates become ISO text, undefined fields
 * are dropped, NaN and infinities are null. `root` names the value in errors.
 */
export function encode(value, root) {
  return write(value, "", { root, keys: [], ancestors: [] }) ?? "null";
}

/** The text of one value; undefined where JSON has nothing to say (a dropped field). */
function write(value, key, walk) {
  if (value !== null && typeof value === "object") {
    if (typeof value.toJSON === "function") value = value.toJSON(key);
    else if (value instanceof Number || value instanceof String || value instanceof Boolean) {
      value = value.valueOf();
    }
  }
  switch (typeof value) {
    case "string":
      return stringify(value);
    case "number":
      return Number.isFinite(value) ? String(Object.is(value, -0) ? 0 : value) : "null";
    case "boolean":
      return value ? "true" : "false";
    case "undefined":
      return undefined;
    case "object":
      return value === null ? "null" : writeContainer(value, walk);
    default:
      throw new TypeError(`${place(walk)} is a ${kind(value)}, which JSON cannot hold`);
  }
}

function writeContainer(value, walk) {
  const { keys, ancestors } = walk;
  if (ancestors.includes(value)) throw new TypeError(`${place(walk)} is circular`);
  if (ancestors.length === MAX_DEPTH) {
    throw limitError(
      "JSON Nested Property Limit Exceeded",
      `${walk.root} is nested deeper than ${MAX_DEPTH} levels`,
    );
  }
  ancestors.push(value);
  let text = "";
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      keys.push(index);
      text += `${index ? "," : ""}${write(value[index], String(index), walk) ?? "null"}`;
      keys.pop();
    }
    text = `[${text}]`;
  } else {
    if (LOST.some((type) => value instanceof type) || ArrayBuffer.isView(value)) {
      const type = Object.prototype.toString.call(value).slice(8, -1);
      throw new TypeError(`${place(walk)} is of type ${type}, which JSON cannot hold`);
    }
    for (const key of Object.keys(value)) {
      keys.push(key);
      const item = write(value[key], key, walk);
      if (item !== undefined) text += `${text ? "," : ""}${stringify(key)}:${item}`;
      keys.pop();
    }
    text = `{${text}}`;
  }
  ancestors.pop();
  return text;
}

function place({ root, keys }) {
  let path = root;
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`;
    else path += IDENTIFIER.test(key) ? `.${key}` : `[${stringify(key)}]`;
  }
  return path;
}

function kind(value) {
  return typeof value === "bigint" ? "BigInt" : typeof value;
}
