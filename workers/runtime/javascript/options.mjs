// Answering a call for options: component specification 3.3 and 3.4.

import { makeApp } from "./instance.mjs";
import { encode } from "./json.mjs";

/**
 * The answer's JSON text, `{"items": [{label, value}…], "context": …}`. `props` as resolved by
 * describe.mjs, `self` the component's instance with the values chosen so far, `asked` the header
 * of the call.
 */
export async function answerOptions(props, self, asked, prevContext) {
  const prop = props.find(({ name }) => name === asked.name);
  const options = prop?.definition.options;
  if (typeof options !== "function") throw new Error(`${asked.name} has no options function`);
  const { inputs } = prop;
  const given = typeof inputs === "function" ? await inputs.call(self, self) : inputs;
  const argument = { ...given, page: asked.page, prevContext };
  if (asked.query !== undefined) argument.query = asked.query;
  return page(await options.call(ownerOf(prop, props, self), argument));
}

/** `this` of the function: the app where it came with an app's definition, else the instance. */
function ownerOf({ app }, props, self) {
  if (app === undefined) return self;
  const isApp = ({ definition }) => definition.type === "app";
  const own =
    props.find((prop) => isApp(prop) && prop.definition === app) ??
    props.find((prop) => isApp(prop) && prop.definition.app === app.app);
  return own === undefined ? makeApp(app) : self[own.name];
}

function page(returned) {
  const whole = Array.isArray(returned) ? { options: returned } : (returned ?? {});
  const { options = [], context = null } = whole;
  if (typeof whole !== "object" || !Array.isArray(options)) {
    throw new TypeError("options: a list, or an object with options and context");
  }
  if (context !== null && (typeof context !== "object" || Array.isArray(context))) {
    throw new TypeError(`context: an object, not ${typeof context}`);
  }
  return encode({ items: options.map(item), context }, "answer");
}

function item(option, index) {
  const pair = option !== null && typeof option === "object" ? option : { value: option };
  const { value, label = value } = pair;
  const scalar = ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
  if (!scalar) {
    const kind = value === null ? "null" : typeof value;
    throw new TypeError(`options[${index}]: a value must be a scalar, not ${kind}`);
  }
  return { label: String(label ?? value), value };
}
