import { announcer } from "./announce.svelte.ts";
import type { CodeInfo, FileSummary, LostKind, Report } from "./generated/etcdsnap_inspector.js";
import { inspector } from "./inspector.ts";
import { ProgressRate } from "./progress_rate.svelte.ts";
import { printable } from "./printable.ts";
import { Store } from "./store.svelte.ts";
import type { ViewId } from "./views.ts";
import type { ReturnedBuffer } from "./worker/feed.ts";
import type { Failure, Message, Compression, Phase, Request } from "./worker/messages.ts";
import InspectWorker from "./worker/worker.ts?worker&inline";

export type State = "waiting" | "working" | "done" | "failed" | "cancelled";

/** Files read at a time. More would only compete for disk and memory. */
const AT_ONCE = 2;
/** A worker that stopped is replaced once. If that one stops too, the file is the cause. */
const REPLACEMENTS = 1;

/** An open file: its verdict, its keys, and what the user looks at. */
export class Session {
  readonly id: number;
  readonly file: File;
  /** The file's name, numbered if another open file has the same name. The address contains it. */
  readonly title: string;
  /** `title` with invisible characters escaped, for display. */
  readonly name: string;
  state = $state<State>("waiting");
  fileSummary = $state.raw<FileSummary | null>(null);
  compression = $state.raw<Compression | null>(null);
  report = $state.raw<Report | null>(null);
  /** The keys that damage affects, counted by kind and namespace. */
  lostKinds = $state.raw<LostKind[]>([]);
  /** Seconds that the verdict took. */
  seconds = $state.raw(0);
  failure = $state.raw<Failure | null>(null);
  notice = $state.raw<string | null>(null);
  phase = $state<Phase>("read");
  readonly progress = new ProgressRate();
  view = $state<ViewId>("overview");
  /** The selected finding, as its index in the report. */
  selected = $state<number | null>(null);
  /** The selected key, in its displayed form. */
  key = $state<string | null>(null);
  /** Whether keys are shown as Kubernetes objects. */
  objects = $state(false);
  /** The kind and the namespace of the objects in the list; null for all. */
  kind = $state<string | null>(null);
  namespace = $state<string | null>(null);
  /** The key prefix whose used space is shown. */
  prefix = $state("");
  /** The page shown in Pages. */
  page = $state(0n);
  /** The byte to mark in that page, as its offset in the file. */
  offset = $state<bigint | null>(null);
  /** The id of the session that this file is compared with; null for another revision of this file. */
  against = $state<number | null>(null);
  /** The side of the comparison that the user chose for this file; null if the older side comes first. */
  side = $state<"earlier" | "later" | null>(null);
  /** Reads the file's keys. */
  readonly store: Store;

  #worker: Worker | null = null;
  #replacements = 0;
  #onIdle: () => void;

  constructor(id: number, file: File, title: string, onIdle: () => void) {
    this.id = id;
    this.file = file;
    this.title = title;
    this.name = printable(title);
    this.store = new Store(file);
    this.progress.start(file.size);
    this.#onIdle = onIdle;
  }

  start(): void {
    this.state = "working";
    this.failure = null;
    this.phase = "read";
    this.progress.start(this.file.size);
    const worker = new InspectWorker({ name: "verdict" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Message>) => this.#onMessage(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#onWorkerStopped(event.message || "it gave no reason");
    };
    worker.onmessageerror = () => this.#onWorkerStopped("its answer could not be read");
    const back = (buffer: ArrayBuffer | null): void => {
      if (this.#worker === worker) worker.postMessage({ kind: "back", buffer } satisfies ReturnedBuffer, buffer === null ? [] : [buffer]);
    };
    // Started first, so that the store listens before this worker passes anything on.
    const fed = this.store.openWithFeed(back);
    inspector().then(
      (module) => worker.postMessage({ file: this.file, module, fed } satisfies Request),
      (error: unknown) => this.#worker === worker && this.#onWorkerStopped(String(error)),
    );
  }

  /** Stops the worker immediately. */
  cancel(): void {
    if (this.state !== "working" && this.state !== "waiting") return;
    this.#stop("cancelled");
  }

  /** Reads the file again. */
  retry(): void {
    this.#replacements = 0;
    this.notice = null;
    this.report = null;
    this.fileSummary = null;
    this.state = "waiting";
    this.#onIdle();
  }

  /** Ends the workers, because the file is being closed. */
  close(): void {
    this.#end();
    this.store.close();
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }

  #stop(state: State): void {
    this.#end();
    this.store.endFeed(state === "cancelled");
    this.state = state;
    this.#onIdle();
  }

  #onMessage(message: Message): void {
    switch (message.kind) {
      case "codes":
        codes.learn(message.codes);
        break;
      case "summary":
        this.fileSummary = message.summary;
        this.compression = message.compression;
        break;
      case "progress":
        this.#progress(message);
        break;
      case "unpacked":
      case "block":
      case "blocks-end":
        this.store.feed(message);
        break;
      case "report":
        this.report = message.report;
        this.lostKinds = message.lost;
        this.seconds = message.seconds;
        this.#stop("done");
        break;
      case "failed":
        if (message.failure.workerStopped) this.#onWorkerStopped(message.failure.message);
        else {
          this.failure = message.failure;
          this.#stop("failed");
        }
        break;
    }
  }

  #progress({ phase, done, total }: Message & { kind: "progress" }): void {
    if (phase !== this.phase) this.progress.start(total);
    this.phase = phase;
    this.progress.update(done, total);
  }

  #onWorkerStopped(reason: string): void {
    this.#end();
    this.store.endFeed(true);
    const words = reason.replace(/^Uncaught (Error: )?/, "").replace(/\.$/, "");
    if (this.#replacements < REPLACEMENTS) {
      this.#replacements += 1;
      this.notice = `The worker that read this file stopped: ${words}. A new one took its place and started again.`;
      this.start();
      return;
    }
    this.notice = null;
    this.failure = {
      message: `The worker that read this file stopped twice: ${words}.`,
      action: "Close other tabs to free memory and try again, or use etcdsnap in a terminal. If this continues, please report it.",
      workerStopped: true,
    };
    this.#stop("failed");
  }
}

/** The severity, meaning and advice of each finding code, as core defines them. */
class Codes {
  #known = $state.raw<ReadonlyMap<string, CodeInfo>>(new Map());

  learn(all: CodeInfo[]): void {
    if (this.#known.size === 0) this.#known = new Map(all.map((info) => [info.code, info]));
  }

  get(code: string): CodeInfo | undefined {
    return this.#known.get(code);
  }
}

export const codes = new Codes();

/** The open files, in the order of their tabs. */
class Sessions {
  list = $state<Session[]>([]);
  currentId = $state<number | null>(null);
  #nextId = 1;

  get current(): Session | null {
    return this.list.find((session) => session.id === this.currentId) ?? null;
  }

  #titleFor({ name }: File): string {
    const taken = (title: string) => this.list.some((session) => session.title === title);
    if (!taken(name)) return name;
    let number = 2;
    while (taken(`${name} (${number})`)) number += 1;
    return `${name} (${number})`;
  }

  open(files: Iterable<File>): void {
    let first: number | null = null;
    for (const file of files) {
      const session = new Session(this.#nextId, file, this.#titleFor(file), () => this.#next());
      this.#nextId += 1;
      this.list.push(session);
      first ??= session.id;
    }
    if (first !== null) this.currentId = first;
    this.#next();
  }

  close(session: Session): void {
    const at = this.list.indexOf(session);
    session.close();
    announcer.offer(`Closed ${session.name}.`, "Open it again", () => this.open([session.file]));
    this.list = this.list.filter((other) => other !== session);
    if (this.currentId === session.id) this.currentId = (this.list[at] ?? this.list[at - 1])?.id ?? null;
    this.#next();
  }

  /** Selects the next or previous tab, wrapping around at the ends. */
  step(by: 1 | -1): void {
    const at = this.list.findIndex((session) => session.id === this.currentId);
    const next = this.list[(at + by + this.list.length) % this.list.length];
    if (next !== undefined) this.currentId = next.id;
  }

  #next(): void {
    for (const session of this.list) {
      if (this.list.filter((other) => other.state === "working").length >= AT_ONCE) return;
      if (session.state === "waiting") session.start();
    }
  }
}

export const sessions = new Sessions();
