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

/** What has to be allowed of a snapshot. */
export interface Allowed {
  /** It has no SHA-256, or another one than its contents. */
  unhashed: boolean;
  /** It is damaged. */
  damaged: boolean;
}

/** The commands that restore by a plan. */
export function commands(plan: Plan, tool: Tool, { unhashed, damaged }: Allowed): Command[] {
  const common: Flag[] = [["--initial-cluster", plan.initialCluster], ["--initial-cluster-token", plan.token]];
  if (plan.bump !== "") common.push(["--bump-revision", plan.bumpFor(tool)], ["--mark-compacted"]);
  if (unhashed) common.push(["--skip-hash-check"]);
  // etcdutl knows no such flag, and does not look.
  if (damaged && tool !== "etcdutl") common.push(["--force"]);
  const program = tool === "etcdutl" ? "etcdutl snapshot restore" : "etcdsnap restore";
  const start = `${program} ${quoted(operand(plan.file))}`;
  if (tool === "all") return [{ title: "All members", text: shell(start, [["--all-members", plan.folder], ...common]) }];
  return plan.members.map(({ name, urlList, directory }) => {
    const own: Flag[] = [["--name", name], ["--data-dir", directory || `${name}.etcd`], ["--initial-advertise-peer-urls", urlList.join(",")]];
    return { title: name, text: shell(start, [...own, ...common]) };
  });
}

/** A step around the restore: what to do, and lines for each host. */
export interface Step {
  title: string;
  text: string;
}

/** What comes before a restore, and behind it. `kubernetes` for a control plane as kubeadm makes it. */
export function stepsAround(plan: Plan, tool: Tool, kubernetes: boolean): { before: Step[]; after: Step[] } {
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
      { title: "On every host: stop what writes, then etcd", text: stop },
      { title: "On every host: keep the old data", text: "mv /var/lib/etcd /var/lib/etcd.old" },
    ],
    after: [
      { title: `On each host: put its own directory in place${plan.members.length > 1 ? `, here that of ${plan.members[0]?.name ?? "the first member"}` : ""}`, text: `mv ${first} /var/lib/etcd` },
      { title: "On every host: start etcd, then what writes", text: start },
      { title: "Check it", text: `etcdctl endpoint health --cluster\netcdctl endpoint status --cluster --write-out=table${kubernetes ? "\nkubectl get nodes,pods --all-namespaces" : ""}` },
    ],
  };
}

/** All steps as one script to read and go through; it stops at once, so that nobody runs the whole of it by mistake. */
export function script(plan: Plan, made: Command[], around: { before: Step[]; after: Step[] }): string {
  const block = ({ title, text }: Step): string => `# ${title}\n${text}`;
  const restore = made.map(({ title, text }) => block({ title: `Restore: ${title}`, text }));
  const head = `#!/bin/sh\n# Restores ${plan.file.replaceAll(/[\r\n]/g, " ")}. Go through it step by step, on the hosts that each step names.\nexit 1`;
  return `${[head, ...around.before.map(block), ...restore, ...around.after.map(block)].join("\n\n")}\n`;
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
