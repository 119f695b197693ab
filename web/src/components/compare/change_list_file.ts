import type { ChangeRow, Side } from "../../generated/etcdsnap_inspector.js";
import { leaseOf } from "../../saving/key_columns.ts";
import { inPieces, type SavedColumn, type SavedList } from "../../saving/list_file.ts";
import type { ChangeLine } from "../../worker/calls.ts";

/** A change with the type and namespace of its object, if they are known. */
interface SavedChange {
  change: ChangeRow;
  type: string | null;
  namespace: string | null;
}

/** The columns of one side, as in `etcdsnap diff -w json`. */
function sideColumns(name: "a" | "b", of: (row: SavedChange) => Side | null): SavedColumn<SavedChange>[] {
  const columns: [string, (side: Side) => bigint | number | string | null][] = [
    ["modRevision", ({ revision }) => revision],
    ["createRevision", ({ createRevision }) => createRevision],
    ["version", ({ version }) => version],
    ["valueBytes", ({ valueBytes }) => valueBytes],
    ["lease", ({ lease }) => leaseOf(lease)],
  ];
  return columns.map(([column, value]) => ({
    name: `${name}.${column}`,
    of: (row) => {
      const side = of(row);
      return side === null ? null : value(side);
    },
  }));
}

/** Returns the listed changes as a list to save, with those of closed groups. `load` returns all lines, headings included. */
export function changeListFile(total: number, load: (from: number, count: number) => Promise<ChangeLine[]>): SavedList<SavedChange> {
  return {
    what: "changes",
    total,
    columns: [
      { name: "change", of: ({ change }) => change.kind },
      { name: "key", of: ({ change }) => change.key, key: true },
      { name: "type", of: ({ type }) => type },
      { name: "namespace", of: ({ namespace }) => namespace },
      ...sideColumns("a", ({ change }) => change.before),
      ...sideColumns("b", ({ change }) => change.after),
    ],
    rows: async function* () {
      let type: string | null = null;
      let namespace: string | null = null;
      for await (const lines of inPieces(load)) {
        const changes: SavedChange[] = [];
        for (const line of lines) {
          if ("kind" in line) changes.push({ change: line, type, namespace });
          else [type, namespace] = line.objects ? [line.name, line.namespace || null] : [null, null];
        }
        yield changes;
      }
    },
  };
}
