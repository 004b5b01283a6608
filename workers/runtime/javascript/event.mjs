// The event as component code sees it.

const HTTP_EVENT_KEYS = ["method", "path", "query", "headers"];

/** Raw texts of parsed bodies. */
const raws = new WeakMap();
let adapted = false;

/** The headers of a request are found in any case, and its body can be signed. */
export function presentEvent(event, props) {
  const request =
    event !== null &&
    typeof event === "object" &&
    HTTP_EVENT_KEYS.every((key) => Object.hasOwn(event, key)) &&
    event.headers !== null &&
    typeof event.headers === "object" &&
    props.some(({ definition }) => definition.type === "$.interface.http");
  if (!request) return event;
  event.headers = new Proxy(event.headers, ANY_CASE);
  const { body, bodyRaw } = event;
  if (body !== null && typeof body === "object") raws.set(body, bodyRaw);
  return event;
}

const ANY_CASE = {
  get: (headers, name, receiver) => Reflect.get(headers, storedName(headers, name), receiver),
  has: (headers, name) => Reflect.has(headers, storedName(headers, name)),
};

function storedName(headers, name) {
  if (typeof name !== "string" || name in headers) return name;
  const stored = name.toLowerCase();
  if (stored in headers) adaptSignatures();
  return stored;
}

// Published code that finds a signature by the provider's spelling hands the parsed body to the
// HMAC (`hmac.update(event.body)`). What was signed is the text of it: docs/decisions/0050. Done at
// the first such look, since most components never load Node's cryptography.
function adaptSignatures() {
  if (adapted) return;
  adapted = true;
  const { createHmac } = globalThis.process.getBuiltinModule("node:crypto");
  const prototype = Object.getPrototypeOf(createHmac("sha256", ""));
  const { update } = prototype;
  prototype.update = function (data, ...rest) {
    return update.call(this, raws.get(data) ?? data, ...rest);
  };
}
