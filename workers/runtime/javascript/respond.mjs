// `this.http.respond({status, headers, body})` in the form of the protocol's `respond`.

import { encode } from "./json.mjs";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** {fields, body}: the header fields and the body part (a JSON string). */
export function respondFrame(response) {
  const { status, headers, body } = response ?? {};
  const fields = { status: statusCode(status), headers: headerMap(headers), encoding: "text" };
  if (body === undefined || body === null) return { fields, body: '""' };
  if (typeof body === "string") return { fields, body: JSON.stringify(body.toWellFormed()) };
  const bytes = bytesOf(body);
  if (bytes) {
    fields.encoding = "base64";
    return { fields, body: JSON.stringify(bytes.toBase64()) };
  }
  if (!Object.keys(fields.headers).some((name) => name.toLowerCase() === "content-type")) {
    fields.headers["content-type"] = "application/json";
  }
  return { fields, body: JSON.stringify(encode(body, "body")) };
}

/** 200..599, numeric text accepted, 200 when absent. */
function statusCode(status) {
  if (status === undefined || status === null) return 200;
  const number = typeof status === "string" && status.trim() ? Number(status) : status;
  if (!Number.isInteger(number) || number < 200 || number > 599) {
    throw new RangeError(
      `respond: status must be a whole number from 200 to 599, not ${String(status)}`,
    );
  }
  return number;
}

function headerMap(headers) {
  const map = {};
  const pairs = headers instanceof Headers ? [...headers] : Object.entries(headers ?? {});
  for (const [name, value] of pairs) {
    if (value === undefined || value === null) continue;
    const text = Array.isArray(value) ? value.join(", ") : String(value);
    if (!TOKEN.test(name)) throw new TypeError(`respond: ${JSON.stringify(name)} is no header name`);
    if (CONTROL.test(text)) throw new TypeError(`respond: ${name} holds a line break`);
    map[name] = text.toWellFormed();
  }
  return map;
}

function bytesOf(body) {
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (!ArrayBuffer.isView(body)) return null;
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
}
