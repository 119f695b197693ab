/** The name of the file that manifests are saved in: of one object by the end of its key, `shop-deployments-web.yaml`; of many by words. */
export function fileName(name: string, zip: boolean): string {
  const parts = name.split("/").filter((part) => part !== "");
  // The prefix says nothing; one that is quoted is cleaned like the rest.
  const words = name.startsWith("/") || name.startsWith('"/') ? parts.slice(1) : parts;
  const clean = words.join("-").replaceAll(/[^\w.-]+/g, "_").slice(0, 120);
  return `${clean || "objects"}.${zip ? "zip" : "yaml"}`;
}

/** What unpacks an archive and applies what is in it. */
export function archiveCommand(file: string, commands: string[]): string {
  const folder = file.replace(/\.zip$/, "");
  return [`unzip ${file} -d ${folder}`, `cd ${folder}`, ...commands].join(" && ");
}
