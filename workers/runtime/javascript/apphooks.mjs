// App hooks: which events of an app a source asks for (component specification 5.3).

import { encode } from "./json.mjs";

/** Where the platform finds the names that functions gave (apps/runs/apphooks.py). */
const NAMES_KEY = "$apphook";
const TYPE = "$.interface.apphook";

const asksByFunction = ({ definition: { type, eventNames } }) =>
  type === TYPE && typeof eventNames === "function";

/** Whether activation settles event names, also where the component has no such hook. */
export function settlesAtActivation(props) {
  return props.some(asksByFunction);
}

/** Calls the functions with the instance as `this` and leaves their names in the store. */
export async function settleEventNames(props, self, send) {
  const settled = {};
  for (const { name, definition } of props.filter(asksByFunction)) {
    const names = (await definition.eventNames.call(self)) ?? [];
    if (!Array.isArray(names) || !names.every((event) => typeof event === "string")) {
      throw new TypeError(`${name}: eventNames must give a list of names`);
    }
    settled[name] = names;
  }
  if (Object.keys(settled).length > 0) {
    send("set", { key: NAMES_KEY }, encode(settled, "event names"));
  }
}
