// The process that runs one JavaScript component: docs/protocol.md, spoken over wire.mjs.
//
// Everything is driven by Deno's `beforeunload`: it comes when the event loop has nothing left,
// which is how the harness knows that a run has left nothing behind. In it the next frame is read,
// so that code left over from a finished run stands still while the process waits.

import { settleEventNames } from "./apphooks.mjs";
import { describe, exportedComponent, resolveProps } from "./describe.mjs";
import { describeError, OUT_OF_MEMORY, showRelativeTo } from "./errors.mjs";
import { presentEvent } from "./event.mjs";
import { makeInstance } from "./instance.mjs";
import { layOut, LoadFault, loadModule } from "./load.mjs";
import { answerOptions } from "./options.mjs";
import { captureOutput, flushOutput, setEnvironment } from "./output.mjs";
import { readFrame, writeFrame } from "./wire.mjs";

// What is nearly over when a run has settled gets three looks: 20 to 30 ms.
const LOOK_MS = 10;
const LOOKS = 3;

const STUCK = "the run waits for something that can no longer happen";
const directory = new URL(`file://${Deno.args[0]}/code/`).href;
// Deno looks for `npm:` imports in the directory that it starts in; code is to find itself where
// it may write.
Deno.chdir(`${Deno.args[0]}/tmp`);
const { parse } = JSON;
const { now } = Date;

let component;
let props;
let task = null; // the load or invocation under way
let watch;

/** Begins what a frame asks for; its outcome is known when `task.settled`. */
function begin({ header, parts }) {
  const own = { run: header.run, settled: false, looks: 0, error: null, rejected: new Map() };
  task = own;
  work(own, header, parts).then(
    () => settle(own),
    (error) => settle(own, toProtocol(own, error)),
  );
}

function work(own, header, parts) {
  if (header.t === "load") return load(header, parts);
  return header.t === "options" ? ask(header, parts) : invoke(own, header, parts);
}

function settle(own, error = null) {
  if (own.settled) return;
  own.settled = true;
  own.error = error;
  watch ??= startWatch();
}

// What has settled and still does not let the event loop rest has left something behind. The timer
// is unreferenced, so that it does not itself keep the loop busy; it starts with the first outcome,
// since Deno tells of a module that can never finish loading only where no timer is. Looks are
// counted, not time: a process that the machine held up has left nothing behind by that.
function startWatch() {
  const timer = setInterval(() => {
    if (task?.settled && ++task.looks === LOOKS) finish(false);
  }, LOOK_MS);
  Deno.unrefTimer(timer);
  return timer;
}

/** Answers the platform; without `reuse` this process only waits for its end. */
function finish(reuse) {
  const own = task;
  if (own.error === null && own.rejected.size > 0) {
    const [reason] = own.rejected.values();
    own.error = toProtocol(own, reason);
  }
  if (own.run === undefined) {
    if (own.error === null) writeFrame({ t: "loaded", description: own.description });
    else writeFrame({ t: "failed", error: own.error });
    task = null;
    if (!reuse) next();
    return;
  }
  if (own.error?.name === OUT_OF_MEMORY) reuse = false;
  flushOutput();
  task = null;
  const answer = { t: "done", run: own.run, ok: own.error === null, reuse };
  writeFrame(own.error === null ? answer : { ...answer, error: own.error });
  if (!reuse) {
    readFrame();
    Deno.exit(0);
  }
}

function next() {
  const frame = readFrame();
  if (frame === null) Deno.exit(0);
  begin(frame);
}

async function load({ entry, env }, [code, files]) {
  const own = task;
  setEnvironment(env ?? {});
  if (files !== undefined) layOut(parse(files), directory);
  component = exportedComponent(await loadModule(parse(code), entry, directory));
  props = resolveProps(component);
  own.description = describe(component, props);
}

async function invoke(own, { run, entry, source_id }, [values, event, store]) {
  setEnvironment({ PD_COMPONENT: source_id });
  const send = (kind, fields, part) => {
    if (task !== own) throw new Error(`the run has ended: ${kind} comes too late`);
    writeFrame({ t: kind, run, ...(kind === "emit" ? { at: now() } : {}), ...fields }, part);
  };
  const self = makeInstance(component, props, parse(values), store, send);
  if (entry === "run") await component.run.call(self, presentEvent(parse(event), props));
  else await component.hooks?.[entry]?.call(self);
  if (entry === "activate") await settleEventNames(props, self, send);
}

async function ask(asked, [values, prevContext]) {
  setEnvironment({ PD_COMPONENT: undefined });
  const refuse = (kind) => {
    throw new Error(`${kind}: an options function only answers its choices`);
  };
  const self = makeInstance(component, props, parse(values), "{}", refuse);
  const answer = await answerOptions(props, self, asked, parse(prevContext));
  writeFrame({ t: "options", run: asked.run }, answer);
}

function toProtocol(own, thrown) {
  if (thrown instanceof LoadFault) return thrown.described;
  return describeError(thrown, own.run === undefined ? "load_failed" : undefined);
}

captureOutput((level, msg) => {
  if (task === null || task.run === undefined) return false;
  writeFrame({ t: "log", run: task.run, at: now(), level, msg });
  return true;
});

addEventListener("unload", flushOutput); // also when component code ends the process

addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  task?.rejected.set(event.promise, event.reason);
});
addEventListener("rejectionhandled", (event) => task?.rejected.delete(event.promise));
addEventListener("error", (event) => {
  event.preventDefault();
  if (task === null) return;
  if (task.settled) task.error ??= toProtocol(task, event.error);
  else settle(task, toProtocol(task, event.error));
});

addEventListener("beforeunload", (event) => {
  event.preventDefault();
  event.stopImmediatePropagation();
  if (task !== null) {
    if (!task.settled && task.rejected.size === 0) {
      settle(task, describeError(new Error(STUCK)));
    }
    finish(true);
  }
  next();
});

showRelativeTo(directory);
