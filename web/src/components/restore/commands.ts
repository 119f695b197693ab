import type { RestorePlan } from "./restore_plan.svelte.ts";

/** The commands to show: etcdsnap for all members at once, etcdsnap for each member, or etcdutl. */
export type Tool = "all" | "each" | "etcdutl";

export const TOOLS: { id: Tool; label: string; hint: string }[] = [
  { id: "all", label: "All members at once", hint: "One command reads the snapshot once and creates a directory for each member, with a file beside it that says how to start the member. Copy each directory to its host." },
  { id: "each", label: "Member by member", hint: "Run each command on its member's host, with the same snapshot." },
  { id: "etcdutl", label: "With etcdutl", hint: "The same with etcd's own tool: run each command on its member's host. If it fails, remove what it left behind." },
];

/** A command, and the member or members that it restores. */
export interface Command {
  title: string;
  text: string;
}

/** A flag, with its value if it takes one. */
type Flag = [name: string, value?: string];

/** Problems of the snapshot that the commands must allow. */
export interface Allowed {
  /** Whether the SHA-256 is missing or does not match. */
  unhashed: boolean;
  /** Whether the snapshot is damaged. */
  damaged: boolean;
}

/** Returns the commands for a plan. */
export function commands(plan: RestorePlan, tool: Tool, { unhashed, damaged }: Allowed): Command[] {
  const common: Flag[] = [["--initial-cluster", plan.initialCluster], ["--initial-cluster-token", plan.token]];
  if (plan.bump !== "") common.push(["--bump-revision", plan.bumpFor(tool)], ["--mark-compacted"]);
  if (unhashed) common.push(["--skip-hash-check"]);
  // etcdutl has no such flag and does not check for damage.
  if (damaged && tool !== "etcdutl") common.push(["--force"]);
  const program = tool === "etcdutl" ? "etcdutl snapshot restore" : "etcdsnap restore";
  const start = `${program} ${quoted(operand(plan.file))}`;
  if (tool === "all") return [{ title: "All members", text: shell(start, [["--all-members", plan.folder], ...common]) }];
  return plan.members.map(({ name, urlList, directory }) => {
    const own: Flag[] = [["--name", name], ["--data-dir", directory || `${name}.etcd`], ["--initial-advertise-peer-urls", urlList.join(",")]];
    return { title: name, text: shell(start, [...own, ...common]) };
  });
}

/** A step before or after the restore: what to do, and the commands for it. */
export interface Step {
  title: string;
  text: string;
}

/** Returns the steps before and after a restore. `kubernetes` means a control plane made by kubeadm. */
export function stepsAround(plan: RestorePlan, tool: Tool, kubernetes: boolean): { before: Step[]; after: Step[] } {
  const directory = (index: number): string => {
    const member = plan.members[index];
    return tool === "all" ? `${plan.folder}/${member?.name ?? "NAME"}` : (member?.directory || `${member?.name ?? "NAME"}.etcd`);
  };
  const first = quoted(operand(directory(0)));
  const manifests = "/etc/kubernetes/manifests";
  const stop = kubernetes
    ? `mkdir -p /root/manifests\nmv ${manifests}/kube-apiserver.yaml ${manifests}/etcd.yaml /root/manifests/`
    : "systemctl stop etcd";
  const start = kubernetes ? `mv /root/manifests/etcd.yaml ${manifests}/\nmv /root/manifests/kube-apiserver.yaml ${manifests}/` : "systemctl start etcd";
  return {
    before: [
      { title: kubernetes ? "On every host: stop the API server and etcd" : "On every host: stop the clients that write, then etcd", text: stop },
      { title: "On every host: move the old data aside", text: "mv /var/lib/etcd /var/lib/etcd.old" },
    ],
    after: [
      { title: `On each host: move its directory into place${plan.members.length > 1 ? `, here the one of ${plan.members[0]?.name ?? "the first member"}` : ""}`, text: `mv ${first} /var/lib/etcd` },
      { title: kubernetes ? "On every host: start etcd and the API server" : "On every host: start etcd, then the clients", text: start },
      { title: "Check the cluster", text: `etcdctl endpoint health --cluster\netcdctl endpoint status --cluster --write-out=table${kubernetes ? "\nkubectl get nodes,pods --all-namespaces" : ""}` },
    ],
  };
}

/** Returns all steps as one script to follow by hand. It exits at its start, so that nobody runs it as a whole by mistake. */
export function script(plan: RestorePlan, made: Command[], around: { before: Step[]; after: Step[] }): string {
  const block = ({ title, text }: Step): string => `# ${title}\n${text}`;
  const restore = made.map(({ title, text }) => block({ title: `Restore: ${title}`, text }));
  const head = `#!/bin/sh\n# Restores ${plan.file.replaceAll(/[\r\n]/g, " ")}. Run it step by step, each step on the hosts that it names.\nexit 1`;
  return `${[head, ...around.before.map(block), ...restore, ...around.after.map(block)].join("\n\n")}\n`;
}

/** Returns a command line for a POSIX shell, with one flag per line. */
function shell(start: string, flags: Flag[]): string {
  const lines = flags.map(([name, value]) => {
    if (value === undefined) return name;
    // After a space, such a value would be read as a flag.
    return value.startsWith("-") ? `${name}=${quoted(value)}` : `${name} ${quoted(value)}`;
  });
  return [start, ...lines].join(" \\\n  ");
}

/** Returns a path that is not read as a flag or as standard input. */
function operand(path: string): string {
  return path.startsWith("-") ? `./${path}` : path;
}

/** Quotes a word for the shell if necessary. A leading `=` is special in zsh. */
function quoted(word: string): string {
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
