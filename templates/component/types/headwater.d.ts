/**
 * What a component is, for editors and `deno check`: `docs/components.md` explains it.
 *
 *     /// <reference path="./headwater.d.ts" />
 *     const props = { … } as const satisfies Headwater.Props;
 *     export default { … } satisfies Headwater.Source<typeof props>;
 *
 * In `run`, hooks and methods `this` has the values of the props, `$emit` and the methods.
 */
declare namespace Headwater {
  // --- events -----------------------------------------------------------------------------------

  /** A tick. `timestamp`: epoch seconds of the scheduled instant; then an interval or a cron. */
  interface TimerEvent {
    readonly timestamp: number;
    readonly interval_seconds?: number;
    readonly cron?: string;
    readonly timezone?: string;
  }

  /** A request to the source's endpoint. */
  interface HttpEvent {
    readonly method: string;
    /** What follows the endpoint, `/` at least. */
    readonly path: string;
    readonly query: Readonly<Record<string, string>>;
    /** Looked up without regard to case. */
    readonly headers: Readonly<Record<string, string | undefined>>;
    /** Parsed JSON or form, else the text. */
    readonly body: any;
    /** As received, for signatures. */
    readonly bodyRaw: string;
  }

  /** What runs of a component with these props are given; anything, when other sources' events. */
  type EventOf<P> =
    | (HasType<P, "$.interface.timer"> extends true ? TimerEvent : never)
    | (HasType<P, "$.interface.http"> extends true ? HttpEvent : never) extends infer Known
    ? [Known] extends [never] ? any : Known
    : never;

  /** Beside what is emitted. Times are epoch milliseconds. */
  interface Metadata {
    /** What `dedupe` goes by. */
    id?: string | number;
    /** A line for lists. */
    summary?: string;
    ts?: number;
    /** A channel of its own. */
    name?: string;
    /** Deliver later. */
    delivery_ts?: number;
  }

  // --- what stands on `this` --------------------------------------------------------------------

  interface Store {
    /** A fresh copy; undefined where nothing was set. */
    get(key: string | number): any;
    /** Any JSON; undefined removes the key. */
    set(key: string | number, value: unknown): void;
  }

  interface Response {
    /** 200 to 599; 200 when absent. */
    status?: number;
    headers?: Record<string, string>;
    /** Text, bytes, or what becomes JSON. */
    body?: unknown;
  }

  interface Http {
    readonly type: "$.interface.http";
    /** An absolute address without a slash at its end. */
    readonly endpoint: string;
    /** With `customResponse`: the first call of a run is what the caller gets. */
    respond(response?: Response): Promise<void>;
  }

  interface Timer {
    readonly type: "$.interface.timer";
    readonly interval_seconds?: number;
    readonly cron?: string;
    readonly timezone?: string;
  }

  interface AppHook {
    readonly type: "$.interface.apphook";
  }

  /** An app and the credentials of its account, under the names that they were stored with. */
  type AppValue<M = {}> = Readonly<M> & {
    readonly type: "app";
    readonly app: string;
    readonly $auth: Readonly<Record<string, any>>;
  };

  type Instance<P, M = {}> =
    & { readonly [Name in keyof P]: ValueOf<P[Name]> }
    & Readonly<M>
    & { $emit(event: unknown, metadata?: Metadata): Promise<void> };

  // --- props ------------------------------------------------------------------------------------

  interface Inputs {
    string: string;
    integer: number;
    boolean: boolean;
    object: Record<string, any>;
    "string[]": string[];
    "integer[]": number[];
    "boolean[]": boolean[];
  }

  type Scalar = string | number | boolean;
  type Choice = Scalar | { readonly label: string; readonly value: Scalar };

  interface OptionsArgument {
    /** From 0. */
    readonly page: number;
    /** The `context` of the page before; `{}` at first. */
    readonly prevContext: any;
    /** What was searched for, with `useQuery`. */
    readonly query?: string;
    readonly [input: string]: any;
  }

  type Page = readonly Choice[] | { options: readonly Choice[]; context?: Record<string, any> };
  /** `this`: the component with the values chosen so far, or the app that defines the prop. */
  type OptionsFunction = (
    this: Record<string, any>,
    argument: OptionsArgument,
  ) => Page | Promise<Page>;

  interface Shown {
    readonly label?: string;
    readonly description?: string;
    readonly optional?: boolean;
    readonly options?: readonly Choice[] | OptionsFunction;
    readonly useQuery?: boolean;
    readonly disabled?: boolean;
    readonly hidden?: boolean;
  }

  type Default<Value> = Value extends readonly (infer Item)[] ? readonly Item[] : Value;
  interface Bounds {
    /** Inclusive. */
    readonly min?: number;
    readonly max?: number;
  }
  interface Secret {
    readonly secret?: boolean;
  }
  type Input = {
    [Kind in keyof Inputs]:
      & Shown
      & { readonly type: Kind; readonly default?: Default<Inputs[Kind]> }
      & (Kind extends "integer" | "integer[]" ? Bounds : {})
      & (Kind extends "string" | "string[]" ? Secret : {});
  }[keyof Inputs];

  type Schedule =
    | { readonly intervalSeconds: number }
    | { readonly cron: string; readonly timezone?: string };

  interface TimerProp extends Pick<Shown, "label" | "description"> {
    readonly type: "$.interface.timer";
    readonly default?: Schedule;
  }
  interface HttpProp extends Pick<Shown, "label" | "description"> {
    readonly type: "$.interface.http";
    readonly customResponse?: boolean;
  }
  interface AppHookProp extends Pick<Shown, "label" | "description"> {
    readonly type: "$.interface.apphook";
    readonly appProp?: string;
    readonly eventNames?: readonly string[] | ((this: any) => readonly string[] | Promise<string[]>);
  }
  interface StoreProp extends Pick<Shown, "label" | "description"> {
    readonly type: "$.service.db";
  }

  /** A service with an account. In its methods `this` has `$auth` and the other methods. */
  interface App extends Pick<Shown, "label" | "description" | "optional"> {
    readonly type: "app";
    readonly app: string;
    readonly propDefinitions?: Readonly<Record<string, Input>>;
    readonly methods?:
      & Readonly<Record<string, (...given: any[]) => any>>
      & ThisType<AppValue<Record<string, any>>>;
  }

  /** A prop that an app defines; attributes beside it take the place of the app's. */
  interface Defined extends Partial<Shown>, Bounds, Secret {
    readonly propDefinition:
      | readonly [app: App, name: string]
      | readonly [app: App, name: string, inputs: object | ((chosen: any) => object)];
    readonly type?: undefined;
    readonly default?: unknown;
  }

  type Prop =
    | keyof Inputs
    | (TimerProp | HttpProp | AppHookProp | StoreProp)["type"]
    | Input | TimerProp | HttpProp | AppHookProp | StoreProp | App | Defined;
  type Props = Readonly<Record<string, Prop>>;

  type TypeOf<D> = D extends string ? D : D extends { readonly type: infer Kind } ? Kind : never;
  type HasType<P, Kind> = true extends
    { [Name in keyof P]: TypeOf<P[Name]> extends Kind ? ([TypeOf<P[Name]>] extends [never] ? false : true) : false }[
      keyof P
    ] ? true
    : false;

  /** undefined too where nothing need be given. */
  type Given<D, Value> = D extends { readonly default: unknown } ? Value
    : D extends { readonly optional: true } ? Value | undefined
    : Value;

  type ValueOf<D> = D extends { readonly propDefinition: unknown } ? any
    : D extends { readonly type: "app" }
      ? AppValue<D extends { readonly methods: infer M } ? M : Record<string, any>>
    : TypeOf<D> extends "$.service.db" ? Store
    : TypeOf<D> extends "$.interface.http" ? Http
    : TypeOf<D> extends "$.interface.timer" ? Timer
    : TypeOf<D> extends "$.interface.apphook" ? AppHook
    : TypeOf<D> extends keyof Inputs ? Given<D, Inputs[TypeOf<D>]>
    : never;

  // --- the component ----------------------------------------------------------------------------

  type Hook = () => unknown;

  interface Declared<P, M> {
    name: string;
    key?: string;
    version?: string;
    description?: string;
    type?: "source";
    dedupe?: "unique" | "greatest" | "last";
    props?: P;
    methods?: M;
    hooks?: { deploy?: Hook; activate?: Hook; deactivate?: Hook } & ThisType<Instance<P, M>>;
    run(event: EventOf<P>): unknown;
    sampleEmit?: unknown;
  }

  /** `P`: `typeof props`; `M`: `typeof methods`, where there are some. */
  type Source<P = {}, M = {}> = Declared<P, M> & ThisType<Instance<P, M>>;
}
