// Whatever component code throws, in the form of the protocol: {name, message, stack?, code?}.

const MAX_TEXT = 16 * 1024;
const MAX_CAUSES = 3;
const HARNESS = new URL(".", import.meta.url).href;

// What V8 throws where the kernel refuses memory for a buffer; the name is that of the contract.
const NO_MEMORY = "Array buffer allocation failed";
export const OUT_OF_MEMORY = "Out of Memory";

let runDirectory = "";

/** Text of errors shows component files relative to this directory. */
export function showRelativeTo(directoryUrl) {
  runDirectory = directoryUrl;
}

/** Any thrown value as an error of the protocol; `code` when the caller knows one. */
export function describeError(thrown, code) {
  const error = { name: nameOf(thrown), message: tidy(messageOf(thrown)) };
  if (error.name === "RangeError" && error.message === NO_MEMORY) error.name = OUT_OF_MEMORY;
  if (error.name === "ConfigurationError") return { ...error, code: "configuration_error" };
  const stack = stackOf(thrown);
  if (stack) error.stack = stack;
  if (code !== undefined) error.code = code;
  return error;
}

/** Cuts the run directory out of a text. */
export function tidy(text) {
  return shorten((runDirectory ? text.replaceAll(runDirectory, "") : text).toWellFormed());
}

function nameOf(thrown) {
  const name = attribute(thrown, "name");
  return typeof name === "string" && name ? shorten(name.toWellFormed()) : "Error";
}

function messageOf(thrown) {
  const message = attribute(thrown, "message");
  if (typeof message === "string") return message;
  try {
    return typeof thrown === "object" && thrown !== null ? Deno.inspect(thrown) : String(thrown);
  } catch {
    return "a value that cannot be shown";
  }
}

function stackOf(thrown) {
  const texts = [];
  for (let error = thrown; texts.length < MAX_CAUSES; error = attribute(error, "cause")) {
    const stack = attribute(error, "stack");
    if (typeof stack !== "string" || !stack) break;
    const lines = stack.split("\n").filter((line) => !line.includes(HARNESS));
    texts.push(tidy(lines.join("\n")));
  }
  return shorten(texts.join("\nCaused by: "));
}

/** A field of a hostile value: getters and proxies may throw. */
function attribute(value, name) {
  try {
    return value === null || value === undefined ? undefined : value[name];
  } catch {
    return undefined;
  }
}

function shorten(text) {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1).toWellFormed()}…` : text;
}
