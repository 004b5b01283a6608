// What component code prints, as log lines; and the process object as component code sees it.

import { cut } from "./wire.mjs";

const LEVELS = ["info", "info", "warn", "error", "error"]; // of Deno's console printer, 0 to 4
const MAX_LINE = 16 * 1024;

const environment = {};
let print = () => false;
const unfinished = { info: "", error: "" };

/** From now on `sink(level, message)` gets what is printed; its false says that no run is there. */
export function captureOutput(sink) {
  print = sink;
  const raw = { info: Deno.stdout, error: Deno.stderr };
  const captured = new Deno[Deno.internal].Console((text, level) => {
    const message = text.endsWith("\n") ? text.slice(0, -1) : text;
    if (level === LEVELS.length - 1 && message === "") return; // the end of a trace
    line(LEVELS[level] ?? "info", message, raw);
  });
  for (const [name, method] of Object.entries(captured)) {
    if (typeof method === "function") console[name] = method;
  }
  lookAfterProcess();
}

/** Sends a last line that had no newline; called when a run ends. */
export function flushOutput() {
  for (const level of ["info", "error"]) {
    if (unfinished[level]) line(level, unfinished[level]);
    unfinished[level] = "";
  }
}

/**
 * The variables that `process.env` and `Deno.env` show, instead of the process's own; undefined
 * takes one away.
 */
export function setEnvironment(variables) {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete environment[name];
    else environment[name] = value;
  }
}

// Outside a run (while loading) there is no run to log for: the text goes to the output pipes.
function line(level, message, raw) {
  const text = cut(message, MAX_LINE);
  if (!print(level, text) && raw) {
    raw[level === "info" ? "info" : "error"].writeSync(new TextEncoder().encode(`${text}\n`));
  }
}

// `process` costs 20 ms when first touched: most components never do, so it is changed only then.
function lookAfterProcess() {
  const { get } = Object.getOwnPropertyDescriptor(globalThis, "process");
  const own = (value) =>
    Object.defineProperty(globalThis, "process", { value, writable: true, configurable: true });
  Object.defineProperty(globalThis, "process", {
    configurable: true,
    get() {
      const process = get.call(globalThis);
      own(process);
      adaptProcess(process);
      return process;
    },
    set: own,
  });
  Deno.env.get = (name) => environment[name];
  Deno.env.has = (name) => Object.hasOwn(environment, name);
  Deno.env.set = (name, value) => void (environment[name] = String(value));
  Deno.env.delete = (name) => void delete environment[name];
  Deno.env.toObject = () => ({ ...environment });
}

function adaptProcess(process) {
  const flags = { writable: true, configurable: true, enumerable: true };
  const set = (name, value) => Object.defineProperty(process, name, { value, ...flags });
  set("env", environment);
  for (const [name, level] of [["stdout", "info"], ["stderr", "error"]]) {
    const stream = Object.getOwnPropertyDescriptor(process, name);
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get() {
        const found = stream.get ? stream.get.call(process) : stream.value;
        found.write = (chunk, encoding, done) =>
          write(level, chunk, typeof encoding === "function" ? encoding : done);
        set(name, found);
        return found;
      },
    });
  }
}

function write(level, chunk, done) {
  const text = typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
  const lines = (unfinished[level] + text).split("\n");
  unfinished[level] = lines.pop();
  const raw = { info: Deno.stdout, error: Deno.stderr };
  for (const message of lines) line(level, message, raw);
  if (typeof done === "function") queueMicrotask(done);
  return true;
}
