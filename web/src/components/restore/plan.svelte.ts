import type { ClusterMember } from "../../generated/etcdsnap_inspector.js";
import { perSession } from "../../per_session.ts";
import type { Tool } from "./commands.ts";
import { sameAs, wrongWith } from "./url.ts";

/** A member of the cluster to be made. */
export class Member {
  readonly id: number;
  name = $state("");
  /** Its peer URLs, apart by commas. */
  urls = $state("");
  /** Its data directory; empty for the one that follows from its name. */
  directory = $state("");

  constructor(id: number, name: string, urls: string) {
    this.id = id;
    this.name = name;
    this.urls = urls;
  }

  get urlList(): string[] {
    return this.urls.split(",").map((url) => url.trim()).filter((url) => url !== "");
  }
}

/** By how much etcd's documentation advises to raise the revision; what `--bump-revision auto` of etcdsnap falls back to. */
const USUAL_BUMP = "1000000000";

/** Revisions are signed numbers of 64 bits. */
const LARGEST_REVISION = 2n ** 63n - 1n;

/** What the commands are made of. */
export class Plan {
  file = $state("");
  token = $state("etcd-cluster");
  members = $state<Member[]>([]);
  /** By how much the revision is raised, as it is typed: a number, or `auto`; empty for not at all. */
  bump = $state("");
  /** Where all members' directories go in one run. */
  folder = $state("restored");
  /** Whether the members were taken over from the snapshot, or could not be. */
  begun = $state(false);
  /** Learners of the snapshot, by name or id: they were left out. */
  learners = $state<string[]>([]);
  /** Why the snapshot's members are not known. */
  unknown = $state<"unreadable" | "absent" | null>(null);
  #next = 1;

  constructor(file: string) {
    this.file = file;
  }

  add(name = "", urls = ""): void {
    this.members.push(new Member(this.#next, name, urls));
    this.#next += 1;
  }

  remove(member: Member): void {
    this.members = this.members.filter(({ id }) => id !== member.id);
  }

  /** Takes over the snapshot's own members; null when they cannot be read. A restore makes voters of all members, so a learner is none of them. */
  begin(members: ClusterMember[] | null): void {
    if (this.begun) return;
    this.begun = true;
    for (const { id, name, peerUrls, isLearner } of members ?? []) {
      if (isLearner) this.learners.push(name || id);
      else if (peerUrls.length > 0) this.add(name || `m${this.members.length + 1}`, peerUrls.join(","));
    }
    if (this.members.length > 0) return;
    this.unknown = members === null ? "unreadable" : "absent";
    this.add();
  }

  /** What stands in the way of the commands, in sentences. `revision` is the snapshot's latest, as far as it is known. */
  problems(tool: Tool, revision: bigint): string[] {
    const problems = [...this.#ofNames(), ...this.#ofUrls()];
    if (this.members.length === 0) problems.push("A cluster has at least one member.");
    if (this.token === "") problems.push("The cluster needs a token.");
    if (this.file === "") problems.push("The commands need the snapshot's path on the host.");
    if (tool === "all") problems.push(...this.#ofFolder());
    if (this.bump !== "") {
      const bump = this.bumpFor(tool);
      if (bump !== "auto" && !/^[1-9]\d{0,18}$/.test(bump)) problems.push("The revision is raised by a whole number above 0, or by auto.");
      else if (revision + BigInt(bump === "auto" ? USUAL_BUMP : bump) > LARGEST_REVISION) problems.push("The revision would not fit into 63 bits: raise it by less.");
    }
    return problems;
  }

  #ofNames(): string[] {
    const problems: string[] = [];
    const names = this.members.map(({ name }) => name);
    if (names.includes("")) problems.push("Each member needs a name.");
    for (const name of new Set(names.filter((name, at) => name !== "" && names.indexOf(name) !== at))) problems.push(`Two members are called ${name}.`);
    for (const name of new Set(names)) if (/[=,]/.test(name)) problems.push(`A name cannot have = or , in it: ${name}.`);
    return problems;
  }

  #ofUrls(): string[] {
    const problems: string[] = [];
    for (const { name, urlList } of this.members) {
      if (urlList.length === 0) problems.push(`${name || "A member"} needs a peer URL, such as http://10.0.0.1:2380.`);
      for (const url of urlList) {
        const wrong = wrongWith(url);
        if (wrong !== null) problems.push(`The peer URL ${url} ${wrong}.`);
      }
    }
    const urls = this.members.flatMap(({ urlList }) => urlList.map(sameAs));
    for (const url of new Set(urls.filter((url, at) => urls.indexOf(url) !== at))) problems.push(`The peer URL ${url} stands there twice.`);
    return problems;
  }

  /** In one folder, each name becomes that of a directory, and of a file with `.env` behind it. */
  #ofFolder(): string[] {
    const problems: string[] = [];
    if (this.folder === "") problems.push("The members' directories need a folder.");
    const names = this.members.map(({ name }) => name);
    for (const name of new Set(names)) {
      if (name.startsWith(".") || name.includes("/")) problems.push(`In one folder, a name cannot begin with a dot or have / in it: ${name}.`);
      if (name !== "" && names.includes(`${name}.env`)) problems.push(`In one folder, ${name}.env is the file that says how to start ${name}: no member can be called so.`);
    }
    return problems;
  }

  /** What the flag of a tool says: etcdutl does not know `auto`. */
  bumpFor(tool: Tool): string {
    return tool === "etcdutl" && this.bump === "auto" ? USUAL_BUMP : this.bump;
  }

  get initialCluster(): string {
    return this.members.flatMap(({ name, urlList }) => urlList.map((url) => `${name}=${url}`)).join(",");
  }
}

/** The plan for a file. */
export const planOf = perSession((session) => new Plan(session.file.name));
