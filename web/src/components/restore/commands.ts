import type { Plan } from "./plan.svelte.ts";

/** Whose commands. */
export type Tool = "all" | "each" | "etcdutl";

export const TOOLS: { id: Tool; label: string; hint: string }[] = [
  { id: "all", label: "All members at once", hint: "One run reads the snapshot once and makes a directory for each member, and beside it a file that says how to start it. Copy each to its host." },
  { id: "each", label: "Member by member", hint: "On each member's host, with the same snapshot." },
  { id: "etcdutl", label: "With etcdutl", hint: "The same with etcd's own tool, on each member's host. What it leaves behind when it fails has to be removed by hand." },
];

/** A command, and what it is for. */
export interface Command {
  title: string;
  text: string;
}

/** A flag, with its value where it takes one. */
type Flag = [name: string, value?: string];

/** The commands that restore by a plan. `unhashed` is a snapshot without a SHA-256, which has to be allowed. */
export function commands(plan: Plan, tool: Tool, unhashed: boolean): Command[] {
  const common: Flag[] = [["--initial-cluster", plan.initialCluster], ["--initial-cluster-token", plan.token]];
  if (plan.bump !== "") common.push(["--bump-revision", plan.bumpFor(tool)], ["--mark-compacted"]);
  if (unhashed) common.push(["--skip-hash-check"]);
  const program = tool === "etcdutl" ? "etcdutl snapshot restore" : "etcdsnap restore";
  const start = `${program} ${quoted(operand(plan.file))}`;
  if (tool === "all") return [{ title: "All members", text: shell(start, [["--all-members", plan.folder], ...common]) }];
  return plan.members.map(({ name, urlList, directory }) => {
    const own: Flag[] = [["--name", name], ["--data-dir", directory || `${name}.etcd`], ["--initial-advertise-peer-urls", urlList.join(",")]];
    return { title: name, text: shell(start, [...own, ...common]) };
  });
}

/** A command line for a POSIX shell, a flag with its value a line. */
function shell(start: string, flags: Flag[]): string {
  const lines = flags.map(([name, value]) => {
    if (value === undefined) return name;
    // Behind a space, such a value would be taken for a flag.
    return value.startsWith("-") ? `${name}=${quoted(value)}` : `${name} ${quoted(value)}`;
  });
  return [start, ...lines].join(" \\\n  ");
}

/** A path that nothing takes for a flag, or for the standard input. */
function operand(path: string): string {
  return path.startsWith("-") ? `./${path}` : path;
}

/** One word of a shell. A `=` in front means something to zsh. */
function quoted(word: string): string {
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
