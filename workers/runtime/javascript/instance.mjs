// The object that is `this` in run, hooks and methods: made anew for each invocation.

import { encode } from "./json.mjs";
import { makeStore } from "./store.mjs";
import { respondFrame } from "./respond.mjs";
import { byteLength, cut, limitError } from "./wire.mjs";

const DONE = Promise.resolve();
const MAX_EVENT = 1024 * 1024; // these in bytes of UTF-8
const MAX_SUMMARY = 1024;
const MAX_ID = 4096;
const MAX_CHANNEL = 64; // characters
const MAX_DATE = 8.64e15;

/**
 * `props` as resolved by describe.mjs, `values` the configured ones by name, `store` the snapshot's
 * text, `send(kind, fields, part)` the way out, which throws once the run is over.
 */
export function makeInstance(component, props, values, store, send) {
  const self = {};
  bindMethods(self, component.methods);
  let db;
  for (const { name, definition } of props) {
    const value = values[name];
    switch (definition.type) {
      case "$.service.db":
        self[name] = db ??= makeStore(store, (key, text) => send("set", { key }, text));
        break;
      case "$.interface.apphook":
        self[name] = { type: definition.type };
        break;
      case "$.interface.timer":
        self[name] = { type: definition.type, ...value };
        break;
      case "$.interface.http":
        self[name] = makeHttp(definition, value, send);
        break;
      case "app":
        self[name] = makeApp(definition, value);
        break;
      default:
        if (value !== undefined) self[name] = value;
    }
  }
  self.$emit = (event, metadata) => {
    const payload = encode(event, "event");
    const size = payload.length * 3 > MAX_EVENT ? byteLength(payload) : 0;
    if (size > MAX_EVENT) {
      throw limitError(
        "Function Payload Limit Exceeded",
        `an event of ${size} bytes is above 1 MiB`,
      );
    }
    send("emit", emitFields(metadata), payload);
    return DONE;
  };
  return self;
}

// Published code hands methods on as plain functions (`fn: this.app.listItems`): hence bound.
function bindMethods(target, methods) {
  for (const [name, method] of Object.entries(methods ?? {})) {
    target[name] = typeof method === "function" ? method.bind(target) : method;
  }
}

/** An app object as the instance holds it: its methods and `$auth`, no sight of the component. */
export function makeApp(definition, value) {
  const app = { type: "app", app: definition.app };
  bindMethods(app, definition.methods);
  app.$auth = Object.freeze({ ...value?.auth });
  return app;
}

function makeHttp({ type }, value, send) {
  return {
    type,
    endpoint: value?.endpoint,
    respond(response) {
      const { fields, body } = respondFrame(response);
      send("respond", fields, body);
      return DONE;
    },
  };
}

/** The header fields of an emit, in the types that the protocol demands. */
function emitFields(metadata) {
  const fields = {};
  if (metadata === null || metadata === undefined) return fields;
  const id = identity(metadata.id);
  if (id !== undefined) fields.id = id;
  if (metadata.summary !== undefined && metadata.summary !== null) {
    fields.summary = cut(String(metadata.summary), MAX_SUMMARY);
  }
  for (const name of ["ts", "delivery_ts"]) {
    const moment = instant(metadata[name]);
    if (moment !== undefined) fields[name] = moment;
  }
  if (metadata.name !== undefined && metadata.name !== null && metadata.name !== "") {
    const channel = String(metadata.name);
    if (channel.length > 2 * MAX_CHANNEL || [...channel].length > MAX_CHANNEL) {
      throw new RangeError(`name: longer than ${MAX_CHANNEL} characters`);
    }
    fields.name = named(channel, Infinity, "name");
    if (fields.name.startsWith("$")) {
      throw new RangeError("name: channels that begin with $ belong to the platform");
    }
  }
  return fields;
}

/** Text or a finite number; of objects those that JSON writes as one, such as dates. */
function identity(id) {
  if (id === undefined || id === null || Number.isNaN(id)) return undefined;
  if (typeof id === "number" && Number.isFinite(id)) return id;
  if (typeof id !== "object") return named(String(id), MAX_ID, "id");
  const text = encode(id, "id");
  if (text.startsWith("{") || text.startsWith("[")) {
    throw new TypeError(`id is ${text[0] === "[" ? "a list" : "an object"}, not text or a number`);
  }
  return named(text.startsWith('"') ? JSON.parse(text) : text, MAX_ID, "id");
}

/** Text that the platform keeps in a column: well-formed, without NUL, not cut but bounded. */
function named(text, limit, what) {
  if (text.length * 3 > limit && byteLength(text) > limit) {
    throw new RangeError(`${what}: longer than ${limit} bytes`);
  }
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}

/** Epoch milliseconds; falsy, NaN and non-numeric values are absent (specification 7.1). */
function instant(value) {
  if (!value || typeof value === "boolean" || typeof value === "symbol") return undefined;
  const number = Math.trunc(Number(value));
  return number && Math.abs(number) <= MAX_DATE ? number : undefined;
}
