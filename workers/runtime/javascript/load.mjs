// Component code from text to a module: CommonJS, ES module or TypeScript, whichever parses.

import { describeError, tidy } from "./errors.mjs";

const PLACE = /\s+at (file:\/\/\S+):(\d+):(\d+)\s*$/;
const UNKNOWN_IMPORT = [
  /^Import "([^"]+)" not a dependency/,
  /^Cannot find module '([^']+)'/,
  /matching package for '([^']+)'/,
  /remote specifier was requested: "([^"]+)"/,
  /^Module not found "([^"]+)"/,
  /^Unsupported scheme "[^"]+" for module "([^"]+)"/,
];

/** A failure to load, ready for the protocol. */
export class LoadFault extends Error {
  constructor(described) {
    super(described.message);
    this.described = described;
  }
}

/** Writes the files beside the entry below `directory`: path → text, paths already checked. */
export function layOut(files, directory) {
  for (const [path, text] of Object.entries(files)) write(path, text, directory);
}

/**
 * The module namespace of `text`; a LoadFault when it does not parse, misses an import or throws.
 * It lies at the path `entry`, or beside it under the ending of TypeScript.
 * The import is computed, not literal, and never of the main module: only then does Deno's
 * --allow-read bind it.
 */
export async function loadModule(text, entry, directory) {
  // A runtime that meets `require`, `process` or an import of a built-in sets up Node's half of
  // itself; touching `process` first lets the harness capture its streams.
  if (/\b(?:require|process|import)\b/.test(text)) void globalThis.process;
  let syntax;
  for (const path of candidates(entry)) {
    const url = write(path, text, directory);
    try {
      return await import(url);
    } catch (error) {
      const found = syntaxError(error);
      if (found === null) throw new LoadFault(otherError(error));
      // The grammar that came further says more about the author's mistake.
      if (syntax === undefined || found.line > (syntax.line ?? Infinity)) syntax = found;
    }
  }
  const place = syntax.line === undefined ? await locate(text, entry, directory) : {};
  throw new LoadFault({ ...syntax, ...place });
}

/** Code whose ending says nothing of TypeScript may be some all the same. */
function candidates(entry) {
  return /\.[mc]?tsx?$/.test(entry) ? [entry] : [entry, `${entry.replace(/\.[mc]?js$/, "")}.ts`];
}

function write(path, text, directory) {
  const parts = path.split("/").map(encodeURIComponent);
  const url = directory + parts.join("/");
  if (parts.length > 1) Deno.mkdirSync(new URL(".", url), { recursive: true });
  Deno.writeTextFileSync(new URL(url), text);
  return url;
}

/** The error as a syntax error with its place, or null when the code parsed. */
function syntaxError(error) {
  const message = String(error?.message);
  const parser = error?.code === "ERR_MODULE_NOT_FOUND" && message.startsWith("SyntaxError: ");
  const early = error instanceof SyntaxError && (PLACE.test(message) || fromCompiler(error));
  if (!parser && !early) return null;
  const [, , line, column] = PLACE.exec(message) ?? [];
  return {
    name: "SyntaxError",
    message: tidy(message.replace(PLACE, "").replace(/^SyntaxError: /, "").trim()),
    code: "syntax_error",
    ...(line ? { line: Number(line), column: Number(column) } : {}),
  };
}

// V8's own error for a CommonJS text has no place; its stack begins where the text was compiled.
function fromCompiler(error) {
  return /^SyntaxError[^\n]*\n\s+at Object\.compileFunction \(ext:/.test(String(error.stack));
}

/** The place of an early error, which V8 tells for modules only. The check is never evaluated. */
async function locate(text, entry, directory) {
  const beside = entry.slice(0, entry.lastIndexOf("/") + 1);
  write(`${beside}.stop.mjs`, "throw null;\n", directory);
  const url = write(`${beside}.check.mjs`, `${text}\nimport "./.stop.mjs";\n`, directory);
  try {
    await import(url);
  } catch (error) {
    const [, , line, column] = PLACE.exec(String(error?.message)) ?? [];
    if (line) return { line: Number(line), column: Number(column) };
  }
  return {};
}

/** A missing import by the name the author wrote; anything else as it was thrown. */
function otherError(error) {
  const message = String(error?.message);
  if (error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND") {
    const found = UNKNOWN_IMPORT.map((pattern) => pattern.exec(message)).find(Boolean);
    const [, , line, column] = PLACE.exec(message) ?? [];
    return {
      name: "ImportError",
      message: found
        ? `cannot import "${tidy(found[1])}": there is no such package or file`
        : tidy(message),
      code: "load_failed",
      ...(line ? { line: Number(line), column: Number(column) } : {}),
    };
  }
  return describeError(error, "load_failed");
}
