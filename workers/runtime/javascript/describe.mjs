// What a component says of itself: the `description` of docs/protocol.md, from the exported object.

import { settlesAtActivation } from "./apphooks.mjs";
import { encode } from "./json.mjs";

const HOOKS = ["deploy", "activate", "deactivate"];
const REMOTE = { options: "remoteOptions", eventNames: "remoteEventNames" };

/** A module that loads and is no component: a part that others share, or data. */
class NoComponent extends TypeError {
  name = "NoComponent";
}

/** The exported object of a loaded module; an error where there is none. */
export function exportedComponent(namespace) {
  let component = namespace.default;
  // A module transpiled to CommonJS keeps its default export one level further down.
  if (component?.__esModule && component.default !== undefined) component = component.default;
  if (component === null || typeof component !== "object" || Array.isArray(component)) {
    throw new NoComponent(
      "the component must be an object given to module.exports or export default",
    );
  }
  if (typeof component.run !== "function") {
    throw new NoComponent("the component has no run function");
  }
  return component;
}

/**
 * Its props as a list of {name, definition} in their order, shorthands and references resolved.
 * Of a reference `app` and `inputs` are kept too, for calls of an options function that is the
 * app's own.
 */
export function resolveProps(component) {
  const props = mapOf(component.props, "props");
  const methods = mapOf(component.methods, "methods");
  return Object.entries(props).map(([name, given]) => {
    if (Object.hasOwn(methods, name)) {
      throw new TypeError(`"${name}" is both a prop and a method`);
    }
    return { name, ...resolve(name, given, props) };
  });
}

/** The description as an object of plain JSON values. */
export function describe(component, props) {
  const description = {
    name: textOr(component.name, ""),
    version: textOr(component.version, ""),
    type: textOr(component.type, "source"),
    props: props.map(describeProp),
    hooks: HOOKS.filter(
      (hook) =>
        typeof mapOf(component.hooks, "hooks")[hook] === "function" ||
        (hook === "activate" && settlesAtActivation(props)),
    ),
  };
  for (const field of ["key", "description", "dedupe"]) {
    if (component[field] !== undefined && component[field] !== null) {
      description[field] = textOr(component[field], "");
    }
  }
  return description;
}

function resolve(name, given, props) {
  if (typeof given === "string") return { definition: { type: given } };
  if (given === null || typeof given !== "object") {
    throw new TypeError(`prop "${name}" must be an object or the name of a type`);
  }
  if (given.propDefinition === undefined) return { definition: given };
  const { propDefinition, ...overrides } = given;
  const [target, wanted, inputs] = Array.isArray(propDefinition) ? propDefinition : [];
  const app = typeof target === "string" ? props[target] : target;
  const found = app?.propDefinitions?.[wanted];
  if (found === undefined) {
    const where = typeof target === "string" ? target : (app?.app ?? "an unknown app");
    throw new TypeError(
      `prop "${name}" refers to the definition "${String(wanted)}" of ${where},` +
        " which does not exist",
    );
  }
  const definition = { ...(typeof found === "string" ? { type: found } : found), ...overrides };
  return Object.hasOwn(overrides, "options")
    ? { definition, inputs }
    : { definition, inputs, app };
}

/** Attributes under the author's names; functions do not travel, but of some a flag tells. */
function describeProp({ name, definition }) {
  if (definition.type === "app") {
    return { name, type: "app", app: textOr(definition.app, "") };
  }
  const shown = { name };
  for (const [attribute, value] of Object.entries(definition)) {
    if (attribute === "name") continue;
    if (typeof value === "function") {
      if (Object.hasOwn(REMOTE, attribute)) shown[REMOTE[attribute]] = true;
    } else shown[attribute] = plain(value, `prop "${name}", ${attribute}`);
  }
  return shown;
}

function plain(value, root) {
  return value === undefined ? undefined : JSON.parse(encode(value, root));
}

function mapOf(value, what) {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new TypeError(`${what} must be an object`);
  }
  return value;
}

function textOr(value, fallback) {
  return value === undefined || value === null ? fallback : String(value);
}
