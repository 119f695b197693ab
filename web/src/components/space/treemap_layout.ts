import { hierarchy, treemap, treemapSquarify } from "d3-hierarchy";
import type { UsageAnswer, UsageGroup, UsageSum } from "../../generated/etcdsnap_inspector.js";
import { measuredBytes, EMPTY_SUM, addSums, type Measure } from "./measure.ts";

/** A rectangle of the treemap, in CSS pixels from its upper left corner. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The tile of a group, or of all small groups together. */
export interface Tile extends Box {
  /** Null for the small groups. */
  group: UsageGroup | null;
  /** The number of groups in the tile. */
  groups: number;
  sum: UsageSum;
  /** The contents of the group, if they are known and large enough. */
  inner: Tile[];
}

interface Node {
  group: UsageGroup | null;
  groups: number;
  sum: UsageSum;
  children: Node[];
}

/** The minimum area of a tile in square pixels, so that it can be clicked. */
const LEAST = 24 * 24;
/** The minimum area of a tile that shows its contents. */
const LEAST_NESTED = 150 * 100;
/** The maximum number of tiles, so that the treemap stays readable. */
const MOST = 250;
/** If the small groups have at least this share, they become the only tile. */
const ALMOST_ALL = 0.95;
/** Height of the name of a group above its contents. */
const NAME = 22;

/** Returns the folders whose contents are large enough to be drawn, the largest first. */
export function foldersToNest(answer: UsageAnswer, measure: Measure, width: number, height: number): UsageGroup[] {
  const whole = Number(measuredBytes(answer.total, measure));
  if (whole === 0) return [];
  return answer.groups
    .filter((group) => group.folder && (Number(measuredBytes(group.sum, measure)) / whole) * width * height >= LEAST_NESTED)
    .sort((a, b) => Number(measuredBytes(b.sum, measure) - measuredBytes(a.sum, measure)));
}

/** Lays out the groups of an answer, the largest first. `contents` has the contents of some groups, by prefix. */
export function layOutTiles(answer: UsageAnswer, contents: ReadonlyMap<string, UsageAnswer>, measure: Measure, width: number, height: number): Tile[] {
  if (width < 1 || height < 1) return [];
  const open = new Set(foldersToNest(answer, measure, width, height).map((group) => group.prefix));
  const children = gather(answer, measure, width * height);
  for (const child of children) {
    const inside = child.group !== null && open.has(child.group.prefix) ? contents.get(child.group.prefix) : undefined;
    // The contents are laid out in the area of the group.
    if (inside !== undefined) child.children = gather(inside, measure, part(child.sum, answer.total, measure) * width * height);
    // A single tile for all contents would say no more than the group itself.
    if (child.children.length === 1 && child.children[0]?.group === null) child.children = [];
  }
  const root = hierarchy<Node>({ group: null, groups: 0, sum: EMPTY_SUM, children })
    .sum((node) => (node.children.length > 0 ? 0 : Number(measuredBytes(node.sum, measure))))
    // Laying out the largest first gives squares. The tile of the small groups may be among the largest.
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const laid = treemap<Node>()
    .tile(treemapSquarify)
    .size([width, height])
    .round(true)
    .paddingInner(2)
    .paddingOuter((node) => (node.depth === 1 ? 3 : 0))
    .paddingTop((node) => (node.depth === 1 ? NAME : 0))(root);
  const tile = (node: typeof laid, left: number, top: number): Tile => ({
    x: node.x0 - left,
    y: node.y0 - top,
    width: node.x1 - node.x0,
    height: node.y1 - node.y0,
    group: node.data.group,
    groups: node.data.groups,
    sum: node.data.sum,
    inner: (node.children ?? []).map((inner) => tile(inner, node.x0, node.y0)),
  });
  const tiles = (laid.children ?? []).map((node) => tile(node, 0, 0));
  return [...tiles.filter(({ group }) => group !== null), ...tiles.filter(({ group }) => group === null)];
}

/** Returns the groups that are large enough in an area of square pixels, the largest first, then all others as one. */
function gather(answer: UsageAnswer, measure: Measure, area: number): Node[] {
  const nodes: Node[] = [];
  let others: Node = { group: null, groups: answer.restCount, sum: answer.rest, children: [] };
  const sorted = answer.groups.toSorted((a, b) => Number(measuredBytes(b.sum, measure) - measuredBytes(a.sum, measure)));
  for (const group of sorted) {
    const large = nodes.length < MOST && part(group.sum, answer.total, measure) * area >= LEAST;
    if (large) nodes.push({ group, groups: 1, sum: group.sum, children: [] });
    else others = { ...others, groups: others.groups + 1, sum: addSums(others.sum, group.sum) };
  }
  // One or two thin tiles beside all others would show nothing.
  if (part(others.sum, answer.total, measure) > ALMOST_ALL) {
    for (const { sum } of nodes.splice(0)) others = { ...others, groups: others.groups + 1, sum: addSums(others.sum, sum) };
  }
  return measuredBytes(others.sum, measure) > 0n ? [...nodes, others] : nodes;
}

function part(sum: UsageSum, total: UsageSum, measure: Measure): number {
  const whole = Number(measuredBytes(total, measure));
  return whole === 0 ? 0 : Number(measuredBytes(sum, measure)) / whole;
}

export type Direction = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown";

/** Returns the index of the next tile in a direction; the same index if there is none. */
export function neighbour(tiles: Tile[], at: number, direction: Direction): number {
  const from = tiles[at];
  if (from === undefined) return 0;
  const across = direction === "ArrowLeft" || direction === "ArrowRight";
  const sign = direction === "ArrowLeft" || direction === "ArrowUp" ? -1 : 1;
  const far = (tile: Tile): [number, number] => {
    const along = across ? edge(tile.x, tile.width, from.x, from.width, sign) : edge(tile.y, tile.height, from.y, from.height, sign);
    const aside = across ? apart(tile.y, tile.height, from.y, from.height) : apart(tile.x, tile.width, from.x, from.width);
    return [along, aside];
  };
  let [best, least] = [at, Infinity];
  tiles.forEach((tile, index) => {
    const [along, aside] = far(tile);
    // A sideways offset counts more than distance, so that the arrow keys follow a row.
    const distance = along + aside * 3;
    if (index !== at && along >= 0 && distance < least) [best, least] = [index, distance];
  });
  return best;
}

/** Returns how far a span lies beyond another; negative if it does not. */
function edge(start: number, length: number, from: number, fromLength: number, sign: number): number {
  return sign > 0 ? start - (from + fromLength) : from - (start + length);
}

/** Returns the gap between two spans; if they overlap, a small number that grows with the distance of their starts. */
function apart(start: number, length: number, from: number, fromLength: number): number {
  const gap = Math.max(start - (from + fromLength), from - (start + length), 0);
  return gap > 0 ? gap + 1 : Math.abs(start - from) / 1e4;
}
