// A universe's document at a client: rows of the log folded into it, and one's own edits laid over it.
//
// The state holds every entity flat, by its path: `universe`, `scenes/<id>`, `bodies/<id>` and so on. Entities are never changed
// in place, so a copy of the state is a shallow one.

export const PARTS = ["bodies", "constraints", "voices", "mappings"];
export const COLLECTIONS = ["scenes", ...PARTS, "physics-parameters"];

// Objects that are one value: an update replaces them, where it merges others by key. /events.json lists them.
export const ATOMIC = {
  universe: ["harmony.tuning"],
  scenes: ["timeline", "harmony.tuning"],
  bodies: ["size", "material", "resonator"],
  constraints: ["anchor"],
  voices: ["automation"],
  mappings: ["trigger", "source", "domain", "range", "curve"],
  "physics-parameters": ["bounds"],
};

// Objects whose keys may come and go: null removes one.
export const OPEN = { scenes: ["harmony"], voices: ["parameters"], "physics-parameters": ["custom"] };

const REFERENCES = ["scene_id", "body_id", "other_body_id", "voice_id"];
const LAST = "~"; // sorts after everything that keys are made of

/** What is stored, as of `revision`, and nothing else: no edit of one's own that has not come back. */
export class Document {
  revision = 0;
  universeId = "";
  state = {};

  /** Begin anew from a document, as the server answers it. */
  load(snapshot) {
    this.revision = snapshot.revision;
    this.universeId = snapshot.id;
    this.state = { universe: snapshot.universe };
    for (const one of snapshot.physics_parameters) this.#add("physics-parameters", one);
    for (const scene of snapshot.scenes) {
      const own = Object.entries(scene).filter(([key]) => !PARTS.includes(key));
      this.#add("scenes", Object.fromEntries(own));
      for (const collection of PARTS) for (const part of scene[collection]) this.#add(collection, part);
    }
  }

  /** Apply the row of the next revision. */
  apply(row) {
    if (row.revision !== this.revision + 1) throw new Error(`row ${row.revision} after revision ${this.revision}`);
    for (const step of stepsOf(row)) fold(this.state, step);
    this.revision = row.revision;
  }

  /** The document in the form of GET /universes/<id>/document. */
  nested(state = this.state) {
    const { deleted_at: _, ...universe } = state.universe;
    return {
      id: this.universeId,
      revision: this.revision,
      universe,
      physics_parameters: this.#listed(state, "physics-parameters"),
      scenes: this.#listed(state, "scenes").map((scene) => ({
        ...scene,
        ...Object.fromEntries(PARTS.map((collection) => [collection, this.#listed(state, collection, scene.id)])),
      })),
    };
  }

  #listed(state, collection, sceneId) {
    const found = Object.entries(state)
      .filter(([path, entity]) => collectionOf(path) === collection && (sceneId === undefined || entity.scene_id === sceneId))
      .map(([path, entity]) => ({ id: idOf(path), ...entity }));
    const by = collection === "physics-parameters" ? "name" : "order_key"; // sets have no places
    return found.sort((one, other) => compare(one[by] ?? LAST, other[by] ?? LAST) || compare(one.id, other.id));
  }

  #add(collection, { id, ...entity }) {
    this.state[`${collection}/${id}`] = entity;
  }
}

/** What a row does: itself, or its items. */
export function stepsOf(row) {
  return ["batch", "restore"].includes(row.op) ? row.after.items : [row];
}

/** Apply one step of a row to a state. */
export function fold(state, { op, path, before, after }) {
  if (path !== "universe" && !COLLECTIONS.includes(collectionOf(path))) return; // members and share links are no part of the document
  if (op === "create") {
    Object.assign(state, subtree(path, after));
  } else if (op === "delete" && path !== "universe") {
    for (const gone of Object.keys(subtree(path, before))) delete state[gone];
  } else {
    const opened = OPEN[collectionOf(path)] ?? [];
    for (const [name, value] of Object.entries(after ?? {})) state[path] = put(state[path] ?? {}, name.split("."), value, opened);
  }
}

/** Apply one's own edit to a copy of the state, as well as can be told before the server has: what it adds is not known yet. */
export function layOver(state, message) {
  for (const { op, path, fields = {}, ...place } of message.items ?? [message]) {
    if (op === "create") state[path] = structuredClone(fields);
    else if (op === "delete") for (const gone of [path, ...belonging(state, path)]) delete state[gone];
    else if (path in state) {
      const collection = collectionOf(path);
      if (op === "update") state[path] = merged(state[path], fields, ATOMIC[collection] ?? [], OPEN[collection] ?? []);
      else if (op === "move") state[path] = { ...state[path], order_key: placeFor(state, path, place) };
    }
  }
}

export const collectionOf = (path) => path.split("/", 1)[0];
export const idOf = (path) => path.slice(path.indexOf("/") + 1);

/** A new entity, or patch, with a nested patch merged in. */
export function merged(entity, patch, atomic, opened, prefix = "") {
  const found = { ...entity };
  const inside = prefix.slice(0, -1);
  for (const [key, value] of Object.entries(patch)) {
    const path = prefix + key;
    if (isObject(value) && isObject(found[key]) && !atomic.includes(path) && !opened.includes(inside)) {
      found[key] = merged(found[key], value, atomic, opened, `${path}.`);
    } else if (value === null && opened.includes(inside)) delete found[key];
    else found[key] = value;
  }
  return found;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// By code points, as the server does; < would compare UTF-16, and localeCompare words.
function compare(one, other) {
  const [left, right] = [[...one], [...other]];
  const at = left.findIndex((letter, i) => letter !== right[i]);
  if (at < 0) return left.length - right.length;
  return at < right.length ? left[at].codePointAt(0) - right[at].codePointAt(0) : 1;
}

/** An entity as the log has it, and those that it holds, each by its path. */
function subtree(path, document) {
  const own = Object.entries(document).filter(([key]) => !COLLECTIONS.includes(key) && key !== "members");
  const found = { [path]: Object.fromEntries(own) };
  for (const collection of COLLECTIONS) {
    for (const { id, ...child } of document[collection] ?? []) Object.assign(found, subtree(`${collection}/${id}`, child));
  }
  return found;
}

/** A new entity with one dotted property set: `gravity.y` is `y` in `gravity`. */
function put(entity, [key, ...rest], value, opened, prefix = "") {
  const found = { ...entity };
  if (rest.length > 0) found[key] = put(found[key] ?? {}, rest, value, opened, `${prefix}${key}.`);
  else if (value === null && opened.includes(prefix.slice(0, -1))) delete found[key];
  else found[key] = value;
  return found;
}

/** What goes with an entity that is deleted. */
function belonging(state, path) {
  const gone = [path];
  for (const one of gone) {
    for (const [other, entity] of Object.entries(state)) {
      if (!gone.includes(other) && REFERENCES.some((name) => entity[name] === idOf(one))) gone.push(other);
    }
  }
  return gone.slice(1);
}

/** A key for a moved entity until the server has made the true one: a blank sorts before everything that keys are made of. */
function placeFor(state, path, { after_id: after, before_id: before }) {
  const collection = collectionOf(path);
  const keyOf = (id, otherwise) => state[`${collection}/${id}`]?.order_key ?? otherwise;
  if (after) return `${keyOf(after, LAST)} `;
  const keys = Object.entries(state).filter(([other]) => collectionOf(other) === collection).map(([, entity]) => entity.order_key ?? LAST);
  const lower = keys.filter((key) => key < keyOf(before, "")).sort();
  return `${lower.at(-1) ?? ""} `;
}
