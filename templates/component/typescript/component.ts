// A counter: it has a prop, a timer, a store and dedupe. Make it yours.
/// <reference path="./headwater.d.ts" />

const props = {
  step: {
    type: "integer",
    label: "Step",
    description: "What is added at each tick.",
    default: 1,
    min: 1,
  },
  timer: { type: "$.interface.timer", default: { intervalSeconds: 900 } },
  db: "$.service.db",
} as const satisfies Headwater.Props;

export default {
  name: "Counter",
  version: "0.0.1",
  description: "Counts on at each tick.",
  dedupe: "unique",
  props,
  run(event) {
    const count: number = (this.db.get("count") ?? 0) + this.step;
    this.db.set("count", count);
    this.$emit({ count, at: event.timestamp }, { id: count, summary: `count ${count}` });
  },
} satisfies Headwater.Source<typeof props>;
