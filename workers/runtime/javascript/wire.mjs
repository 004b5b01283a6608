// Frames of docs/protocol.md over the two pipes the platform left at descriptors 3 and 4.
// Reading and writing both block: a frame is written before the call that caused it returns, and
// nothing is read while component code runs, since the platform sends one invocation at a time.

const MAX_FRAME = 8 * 1024 * 1024;

const input = Deno.openSync("/proc/self/fd/3", { read: true });
const output = Deno.openSync("/proc/self/fd/4", { write: true });
const decoder = new TextDecoder();
const encoder = new TextEncoder();
const { stringify, parse } = JSON;

let received = new Uint8Array(64 * 1024);
let start = 0;
let end = 0;
const scratch = new Uint8Array(64 * 1024);

/** Makes `count` bytes available from `start` on; false at the end of the stream. */
function fill(count) {
  if (end - start >= count) return true;
  if (received.length - start < count) {
    const wider = count > received.length ? new Uint8Array(count) : received;
    wider.set(received.subarray(start, end));
    received = wider;
    end -= start;
    start = 0;
  }
  while (end - start < count) {
    const got = input.readSync(received.subarray(end));
    if (got === null) return false;
    end += got;
  }
  return true;
}

/** The next frame as {header, parts: text[]}; null when the platform closed the pipe. */
export function readFrame() {
  if (!fill(4)) return null;
  let length = 0;
  for (const stop = start + 4; start < stop; start++) length = length * 256 + received[start];
  if (!fill(length)) return null;
  const [header, ...parts] = decoder.decode(received.subarray(start, start + length)).split("\n");
  start += length;
  if (start === end) start = end = 0;
  return { header: parse(header), parts };
}

/** Writes one frame whole. `part` is a compact JSON text, or undefined for none. */
export function writeFrame(header, part) {
  const text = part === undefined ? stringify(header) : `${stringify(header)}\n${part}`;
  let frame = scratch;
  let length;
  if (text.length * 3 + 4 <= scratch.length) {
    length = encoder.encodeInto(text, scratch.subarray(4)).written;
  } else {
    const bytes = encoder.encode(text);
    length = bytes.length;
    if (length > MAX_FRAME) {
      throw limitError("Function Payload Limit Exceeded", "more than 8 MiB in one call");
    }
    frame = new Uint8Array(length + 4);
    frame.set(bytes, 4);
  }
  for (let byte = 0; byte < 4; byte++) frame[byte] = length >>> (24 - 8 * byte);
  for (let at = 0; at < length + 4; ) at += output.writeSync(frame.subarray(at, length + 4));
}

/** An error under one of the names that callers match on (apps/runs/contract.py). */
export function limitError(name, message) {
  const error = new RangeError(message);
  error.name = name;
  return error;
}

/** The longest beginning of a text, made well-formed, that UTF-8 holds in `limit` bytes. */
export function cut(text, limit) {
  if (text.length * 3 <= limit) return text.toWellFormed();
  const { read } = encoder.encodeInto(text, new Uint8Array(limit));
  return text.slice(0, read).toWellFormed();
}

/** UTF-8 bytes of a text. */
export function byteLength(text) {
  return encoder.encode(text).length;
}
