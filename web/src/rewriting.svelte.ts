import type { CopyMade, CopyOrder } from "./generated/etcdsnap_inspector.js";
import { saveBlob } from "./files.ts";
import { inspector } from "./inspector.ts";
import { perSession } from "./per_session.ts";
import type { Session } from "./session.svelte.ts";
import { ProgressRate } from "./progress_rate.svelte.ts";
import type { Failure, Message, Phase, Request } from "./worker/messages.ts";
import type { RewriteMessage } from "./worker/rewrite.ts";
import InspectWorker from "./worker/worker.ts?worker&inline";

/** Bytes of the largest file from which the page makes a new one. The browser keeps the new file until it is saved, so larger ones belong in a terminal. */
export const LIMIT = 4_000_000_000;

/** Makes a new file from an open one: redacted, compacted or salvaged. */
export class Rewriting {
  state = $state<"idle" | "working" | "done" | "failed">("idle");
  kind = $state<CopyOrder["kind"]>("redact");
  /** Whether the new file comes from the tree of the older meta page. */
  older = $state(false);
  phase = $state<Phase>("read");
  readonly progress = new ProgressRate();
  made = $state.raw<CopyMade | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** The new file's name and size in bytes. */
  name = $state("");
  size = $state(0);
  #file: Blob | null = null;
  #worker: Worker | null = null;
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Makes a new file, and saves it once it is verified. */
  start(order: CopyOrder): void {
    this.cancel();
    const { file, store } = this.#session;
    this.state = "working";
    this.kind = order.kind;
    this.phase = "read";
    this.older = store.older;
    this.name = nameOf(file.name, `${store.older ? "older." : ""}${WORDS[order.kind]}`);
    this.progress.start(file.size);
    const worker = new InspectWorker({ name: "rewrite" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Message | RewriteMessage>) => this.#onMessage(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail({ message: `The worker that made the new file stopped: ${event.message || "it gave no reason"}.`, action: "Close other tabs to free memory and try again, or use etcdsnap in a terminal.", workerStopped: true });
    };
    inspector().then(
      (module) => worker.postMessage({ file, module, rewrite: order, older: this.older } satisfies Request),
      (error: unknown) => this.#fail({ message: `The new file was not made: ${String(error)}.`, action: "Try again.", workerStopped: true }),
    );
  }

  /** Stops immediately and discards the unfinished file. */
  cancel(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#file = null;
    this.made = null;
    this.failure = null;
    this.state = "idle";
  }

  /** Downloads the new file. */
  save(): void {
    if (this.#file !== null) saveBlob(this.name, this.#file);
  }

  #fail(failure: Failure): void {
    this.cancel();
    this.failure = failure;
    this.state = "failed";
  }

  #onMessage(message: Message | RewriteMessage): void {
    switch (message.kind) {
      case "progress":
        if (message.phase !== this.phase) this.progress.start(message.total);
        this.phase = message.phase;
        this.progress.update(message.done, message.total);
        break;
      case "made":
        this.#worker?.terminate();
        this.#worker = null;
        this.#file = message.file;
        this.size = message.file.size;
        this.made = message.made;
        this.state = "done";
        this.save();
        break;
      case "failed":
        this.#fail(message.failure);
        break;
    }
  }
}

/** Returns the rewriting of a file. It continues while other views are open. */
export const rewritingOf = perSession((session) => new Rewriting(session));

const WORDS = { redact: "redacted", compact: "compacted", salvage: "salvaged" };

/** `backup-0412.db.gz` becomes `backup-0412.redacted.db`. */
function nameOf(name: string, made: string): string {
  const stem = name.replace(/\.(?:gz|zst|zip)$/i, "").replace(/\.db$/i, "");
  return `${stem}.${made}.db`.replaceAll("/", "-");
}
