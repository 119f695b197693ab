import type { ClusterMember } from "../../generated/etcdsnap_inspector.js";
import { perSession } from "../../per_session.ts";
import type { Tool } from "./commands.ts";
import { normalizedUrl, peerUrlProblem } from "./peer_url.ts";

/** A member of the new cluster. */
export class Member {
  readonly id: number;
  name = $state("");
  /** The peer URLs, separated by commas. */
  urls = $state("");
  /** The data directory; empty for the default, which follows from the name. */
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

/** The increase of the revision that etcd's documentation recommends. `etcdsnap --bump-revision auto` uses it as the default, too. */
const USUAL_BUMP = "1000000000";

/** The largest revision: a signed number of 64 bits. */
const LARGEST_REVISION = 2n ** 63n - 1n;

/** The user's input from which the commands are made. */
export class RestorePlan {
  file = $state("");
  token = $state("etcd-cluster");
  members = $state<Member[]>([]);
  /** The increase of the revision as typed: a number or `auto`; empty for none. */
  bump = $state("");
  /** The directory for the directories of all members, if one command creates them. */
  folder = $state("restored");
  /** Whether the plan is ready: with the members of the snapshot, or without them if they are unknown. */
  ready = $state(false);
  /** Names or IDs of the learners in the snapshot, which were left out. */
  learners = $state<string[]>([]);
  /** Why the members of the snapshot are unknown; null if they are known. */
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

  /** Fills in the members of the snapshot; null if they cannot be read. Leaves out learners, because a restore makes every member a voter. */
  fillIn(members: ClusterMember[] | null): void {
    if (this.ready) return;
    this.ready = true;
    for (const { id, name, peerUrls, isLearner } of members ?? []) {
      if (isLearner) this.learners.push(name || id);
      else if (peerUrls.length > 0) this.add(name || `m${this.members.length + 1}`, peerUrls.join(","));
    }
    if (this.members.length > 0) return;
    this.unknown = members === null ? "unreadable" : "absent";
    this.add();
  }

  /** Returns what is wrong with the input, in sentences. `revision` is the latest of the snapshot; 0 if unknown. */
  problems(tool: Tool, revision: bigint): string[] {
    const problems = [...this.#nameProblems(), ...this.#urlProblems()];
    if (this.members.length === 0) problems.push("The cluster has no members. Add one.");
    if (this.token === "") problems.push("Enter a cluster token.");
    if (this.file === "") problems.push("Enter the path of the snapshot on the host.");
    if (tool === "all") problems.push(...this.#directoryProblems());
    if (this.bump !== "") {
      const bump = this.bumpFor(tool);
      if (bump !== "auto" && !/^[1-9]\d{0,18}$/.test(bump)) problems.push("Increase the revision by a whole number above 0, or by auto.");
      else if (revision + BigInt(bump === "auto" ? USUAL_BUMP : bump) > LARGEST_REVISION) problems.push("The revision would not fit into 63 bits. Increase it by less.");
    }
    return problems;
  }

  #nameProblems(): string[] {
    const problems: string[] = [];
    const names = this.members.map(({ name }) => name);
    if (names.includes("")) problems.push("Each member needs a name.");
    for (const name of new Set(names.filter((name, at) => name !== "" && names.indexOf(name) !== at))) problems.push(`Two members are called ${name}. Change one name.`);
    for (const name of new Set(names)) if (/[=,]/.test(name)) problems.push(`A name cannot contain = or a comma: ${name}.`);
    return problems;
  }

  #urlProblems(): string[] {
    const problems: string[] = [];
    for (const { name, urlList } of this.members) {
      if (urlList.length === 0) problems.push(`${name || "A member"} needs a peer URL, such as http://10.0.0.1:2380.`);
      for (const url of urlList) {
        const wrong = peerUrlProblem(url);
        if (wrong !== null) problems.push(`The peer URL ${url} ${wrong}.`);
      }
    }
    const urls = this.members.flatMap(({ urlList }) => urlList.map(normalizedUrl));
    for (const url of new Set(urls.filter((url, at) => urls.indexOf(url) !== at))) problems.push(`The peer URL ${url} is used twice.`);
    return problems;
  }

  /** Checks names that become the names of a directory and of a file ending in `.env`. */
  #directoryProblems(): string[] {
    const problems: string[] = [];
    if (this.folder === "") problems.push("Enter a directory for all members.");
    const names = this.members.map(({ name }) => name);
    for (const name of new Set(names)) {
      if (name.startsWith(".") || name.includes("/")) problems.push(`In one directory, a name cannot start with a dot or contain /: ${name}.`);
      if (name !== "" && names.includes(`${name}.env`)) problems.push(`In one directory, ${name}.env is the file that says how to start ${name}. Rename the member ${name}.env.`);
    }
    return problems;
  }

  /** Returns the value of `--bump-revision` for a tool: etcdutl does not know `auto`. */
  bumpFor(tool: Tool): string {
    return tool === "etcdutl" && this.bump === "auto" ? USUAL_BUMP : this.bump;
  }

  get initialCluster(): string {
    return this.members.flatMap(({ name, urlList }) => urlList.map((url) => `${name}=${url}`)).join(",");
  }
}

/** Returns the plan for a file. */
export const restorePlanOf = perSession((session) => new RestorePlan(session.file.name));
