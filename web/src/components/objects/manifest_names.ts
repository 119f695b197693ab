/** Returns the file name for manifests, from the key of an object or a description: `deployments-shop-web.yaml`. */
export function fileName(name: string, zip: boolean): string {
  const parts = name.split("/").filter((part) => part !== "");
  // Leaves out the first segment of a key, such as `registry`.
  const words = name.startsWith("/") || name.startsWith('"/') ? parts.slice(1) : parts;
  const clean = words.join("-").replaceAll(/[^\w.-]+/g, "_").slice(0, 120);
  return `${clean || "objects"}.${zip ? "zip" : "yaml"}`;
}

/** Returns the command that unpacks an archive and applies its manifests. */
export function archiveCommand(file: string, commands: string[]): string {
  const folder = file.replace(/\.zip$/, "");
  return [`unzip ${file} -d ${folder}`, `cd ${folder}`, ...commands].join(" && ");
}
