// A client of Harmonic Universe: several people edit one universe at once, over a network that fails.
//
//   const account = await Account.logIn("http://127.0.0.1:10000", "demo", "orbits-that-sing");
//   const client = new Client(account, universeId, { store: fileStore("unsaved.json") });
//   client.on("document", () => draw(client.view()));
//   client.start();
//   client.update("bodies/3f...", { position: { x: 1.5 } }); // seen at once, sent when there is a way
//   client.close();
//
// It runs in browsers too; there `store` is two functions on localStorage. docs/collaboration.md tells why it does what it does.
// As a program it shows what happens in a universe, and drags a body: node client.mjs --help

import { io } from "socket.io-client";

import { ATOMIC, Document, collectionOf, idOf, layOver, merged, stepsOf } from "./document.mjs";

const AT_MOST_IN_FLIGHT = 32;
const GAP_MS = 250;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const CLOCK_MS = 60_000;
const CLOCK_ROUNDS = 5;
const PRESENCE_MS = 45_000;
const TICK_MS = 50;
const ANSWER_MS = 10_000;
const MOST_INTERNAL = 5;
const OF_TOKEN = ["TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED"];
// Refusals that pass: the same operation is sent again. Every other one is for good.
const AGAIN = ["RATE_LIMITED", "BUSY", "DB_UNAVAILABLE", "DRAINING", "NOT_READY", "NOT_JOINED", ...OF_TOKEN];
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Somebody's session: their access token, renewed when it ends. */
export class Account {
  #refreshToken;

  constructor(url) {
    this.url = url.replace(/\/$/, "");
  }

  static async logIn(url, username, password) {
    const account = new Account(url);
    await account.#take("login", { username, password });
    return account;
  }

  /** Trade the refresh token for a new pair. Throws an Error with a `status` when the session has ended. */
  renew() {
    return this.#take("refresh", { refresh_token: this.#refreshToken });
  }

  /** GET with the token: the JSON that is answered. */
  async get(path) {
    const answer = await fetch(this.url + path, { headers: { Authorization: `Bearer ${this.token}` } });
    if (!answer.ok) throw new Error(`${path} is answered with ${answer.status}`);
    return answer.json();
  }

  async #take(verb, body) {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${this.url}/api/auth/${verb}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw Object.assign(new Error(`${verb} is answered with ${answer.status}`), { status: answer.status });
    const found = await answer.json();
    this.token = found.access_token;
    this.#refreshToken = found.refresh_token;
    this.user = found.user;
  }
}

/** An edit that has not come back: the message, and how it stands with it. */
class Operation {
  sentAt = null;
  notBefore = 0;
  revision = null;
  faults = 0;

  constructor(message, tried = false) {
    this.message = message;
    this.tried = tried;
    const steps = message.items ?? [message];
    this.targets = new Set(steps.map((step) => idOf(step.path)));
    this.mentions = new Set([...this.targets, ...(JSON.stringify(steps).match(ID) ?? [])]);
  }

  /** Whether an earlier operation that is not settled could change what this one means. */
  mustWaitFor(earlier) {
    return [...this.targets].some((id) => earlier.mentions.has(id)) || [...earlier.targets].some((id) => this.mentions.has(id));
  }
}

/**
 * One tab of one person in one universe.
 *
 * `on(name, listener)` hears events by their names, and `document`, `unsaved`, `refused`, `online`, `offline`, `ended`, `trouble`.
 */
export class Client {
  document = new Document();
  clientId = crypto.randomUUID();
  role = null;
  transport = null;
  refused = [];
  ended = null;
  applied = null;
  online = false;
  #account;
  #url;
  #store;
  #ackMs;
  #queue;
  #listeners = new Map();
  #epoch = null;
  #held = new Map();
  #gapSince = null;
  #catchingUp = false;
  #connecting = false;
  #attempts = 0;
  #connectAt = 0;
  #socket = null;
  #people = new Map();
  #clocks = [];
  #clockAt = 0;
  #offset = 0;
  #timer = null;

  constructor(account, universeId, { url = account.url, store = { load: () => [], save: () => {} }, ackMs = 10_000 } = {}) {
    this.#account = account;
    this.universeId = universeId;
    this.#url = url;
    this.#store = store;
    this.#ackMs = ackMs;
    this.#queue = store.load().filter((message) => message.universe_id === universeId).map((message) => new Operation(message, true));
  }

  // What one does with it

  /** Connect, and stay connected. */
  start() {
    this.#timer = setInterval(() => this.#tick().catch((error) => this.#troubled(error)), TICK_MS);
  }

  /** Disconnect. What has not been sent stays in the store. */
  close() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#dropConnection();
  }

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    return this;
  }

  /** Make an entity; its path. The id is chosen here, so that what follows can name it at once. */
  create(collection, fields, place = {}) {
    const path = `${collection}/${crypto.randomUUID()}`;
    this.#enqueue({ op: "create", path, fields, ...place });
    return path;
  }

  /** Change some properties; those that are objects are merged. One `group` is one gesture, undone as one. */
  update(path, fields, group) {
    if (group !== undefined && this.#addToLast(path, fields, group)) return;
    this.#enqueue({ op: "update", path, fields, ...(group === undefined ? {} : { group }) });
  }

  /** Move an entity in its list: { after_id } or { before_id }. */
  move(path, place) {
    this.#enqueue({ op: "move", path, ...place });
  }

  /** Delete an entity with what belongs to it. */
  delete(path) {
    this.#enqueue({ op: "delete", path });
  }

  /** Several operations as one change: all of them, or none. */
  batch(items, group) {
    this.#enqueue({ op: "batch", items, ...(group === undefined ? {} : { group }) });
  }

  /** Take back this tab's newest change or gesture; what comes of it is told as any change. */
  undo() {
    this.#say("undo", { client_id: this.clientId, op_id: crypto.randomUUID() });
  }

  /** Make again what was taken back last. */
  redo() {
    this.#say("redo", { client_id: this.clientId, op_id: crypto.randomUUID() });
  }

  /** An entity as the user sees it: what is stored, under one's own edits that have not come back. */
  get(path) {
    return this.#seen()[path];
  }

  /** The whole document as the user sees it. */
  view() {
    return this.document.nested(this.#seen());
  }

  /** Whether there are changes that the server has not acknowledged: show it. */
  get unsaved() {
    return this.#queue.some((one) => one.revision === null);
  }

  /** Show the others values while they are dragged; they are not stored, and may be lost. */
  preview(path, fields) {
    this.#say("preview", { path, fields });
  }

  /** Tell the others where one is: { status, cursor, selection }. */
  point(presence) {
    this.#say("presence_update", presence);
  }

  /** Who is in the universe; whom nothing has been heard of for 45 s has gone. */
  people() {
    const oldest = performance.now() - PRESENCE_MS;
    return [...this.#people.values()].filter((one) => one.heard > oldest).map((one) => one.told);
  }

  /** The server's clock, as well as it is known: the playback that all share is told by it. */
  serverTimeMs() {
    return Date.now() + this.#offset;
  }

  // The queue of what has not come back

  #enqueue(message) {
    const head = { universe_id: this.universeId, op_id: crypto.randomUUID(), client_id: this.clientId };
    this.#queue.push(new Operation({ ...head, ...(this.applied ? { base: this.applied } : {}), ...message }));
    this.#keep();
    this.#sendWhatMayGo();
    this.#tell("unsaved", true);
  }

  /** Let a gesture go on in its last update, if that has never been sent. */
  #addToLast(path, fields, group) {
    const last = this.#queue.at(-1);
    const { op, path: where, group: gesture } = last?.message ?? {};
    if (!last || last.tried || op !== "update" || where !== path || gesture !== group) return false;
    last.message.fields = merged(last.message.fields, fields, ATOMIC[collectionOf(path)] ?? [], []);
    this.#keep();
    return true;
  }

  #seen() {
    const state = { ...this.document.state };
    for (const one of this.#queue) layOver(state, one.message);
    return state;
  }

  /** Send in order, at most 32 at once; nothing goes ahead of an earlier operation that it hangs on. */
  #sendWhatMayGo() {
    if (!this.online) return;
    const now = performance.now();
    const waiting = this.#queue.filter((one) => one.revision === null);
    const flying = waiting.filter((one) => one.sentAt !== null);
    for (const one of flying) if (now - one.sentAt > this.#ackMs) this.#send(one); // no acknowledgement: once more, with the same op_id
    let inFlight = flying.length;
    waiting.forEach((one, number) => {
      const mayGo = one.sentAt === null && one.notBefore <= now && inFlight < AT_MOST_IN_FLIGHT;
      if (!mayGo || waiting.slice(0, number).some((earlier) => one.mustWaitFor(earlier))) return;
      this.#send(one);
      inFlight += 1;
    });
  }

  #send(operation) {
    operation.sentAt = performance.now();
    operation.tried = true;
    this.#socket.emit("edit", operation.message, (answer) => this.#answered(operation, answer));
  }

  #answered(operation, answer) {
    if (!this.#queue.includes(operation)) return;
    if (answer.ok) {
      operation.revision = answer.revision;
      if (answer.noop || answer.revision <= (this.applied ?? 0)) this.#forget(operation);
    } else if (this.#mayTryAgain(operation, answer.error)) {
      operation.sentAt = null;
      operation.notBefore = performance.now() + 1000 * (answer.error.retry_after ?? 1);
    } else {
      this.#forget(operation);
      this.refused.push({ message: operation.message, error: answer.error });
      this.#tell("refused", this.refused.at(-1));
    }
    this.#keep();
    this.#sendWhatMayGo();
    this.#tell("unsaved", this.unsaved);
  }

  #mayTryAgain(operation, error) {
    if (error.code === "NOT_JOINED" || OF_TOKEN.includes(error.code)) this.#dropConnection();
    if (error.code === "INTERNAL") return ++operation.faults < MOST_INTERNAL;
    return AGAIN.includes(error.code) || error.retry_after !== undefined;
  }

  #forget(operation) {
    this.#queue = this.#queue.filter((one) => one !== operation);
  }

  #keep() {
    this.#store.save(this.#queue.filter((one) => one.revision === null).map((one) => one.message));
  }

  // The rows of the log

  #applyHeld() {
    while (this.applied !== null && this.#held.has(this.applied + 1)) {
      const row = this.#held.get(this.applied + 1);
      this.document.apply(row);
      this.applied = row.revision;
      this.#settle(row.op_id);
      this.#tell("document", row);
    }
    for (const revision of this.#held.keys()) if (this.applied !== null && revision <= this.applied) this.#held.delete(revision);
    if (this.#held.size === 0) this.#gapSince = null;
    else this.#gapSince ??= performance.now();
    this.#sendWhatMayGo();
  }

  /** Let go of one's own edits that are in the document by now. */
  #settle(opId) {
    const left = this.#queue.filter((one) => one.message.op_id !== opId && (one.revision === null || one.revision > (this.applied ?? 0)));
    if (left.length === this.#queue.length) return;
    this.#queue = left;
    this.#keep();
  }

  /** Take in the answer to join_universe or sync. */
  async #caughtUp(answer, since) {
    this.role = answer.role;
    this.transport = answer.transport ?? this.transport;
    this.#hearAll(answer.presence, false);
    if (answer.mode === "fetch") {
      this.#beginAt(await this.#account.get(answer.snapshot_url), answer.epoch); // too large for a packet
      this.#applyHeld();
      await this.#catchUp("sync");
      return;
    }
    if (answer.mode === "snapshot") {
      const overtaken = answer.epoch === this.#epoch && since !== null && since <= answer.revision && answer.revision < this.applied;
      if (!overtaken) this.#beginAt(answer.snapshot, answer.epoch);
    }
    for (const row of answer.changes ?? []) this.#held.set(row.revision, row);
    this.#applyHeld();
  }

  #beginAt(snapshot, epoch) {
    if (epoch !== this.#epoch) this.#held.clear();
    this.document.load(snapshot);
    this.applied = snapshot.revision;
    this.#epoch = epoch;
    this.#settle();
    this.#tell("document", null);
  }

  // The connection

  async #tick() {
    const now = performance.now();
    if (this.ended || this.#connecting || this.#timer === null) return;
    if (this.#socket === null) {
      if (now >= this.#connectAt) await this.#connect();
      return;
    }
    if (!this.online) return;
    if (this.#epoch === null && !this.#catchingUp) await this.#catchUp("join_universe");
    if (this.#gapSince !== null && now - this.#gapSince > GAP_MS && !this.#catchingUp) await this.#catchUp("sync");
    if (now >= this.#clockAt) this.#compareClocks();
    this.#sendWhatMayGo();
  }

  async #connect() {
    this.#connecting = true;
    this.#attempts += 1;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#attempts - 1));
    this.#connectAt = performance.now() + Math.random() * longest;
    const auth = { token: this.#account.token };
    const socket = io(this.#url, { auth, transports: ["websocket"], reconnection: false, forceNew: true, timeout: 10_000 });
    try {
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
      if (this.#timer === null) {
        socket.disconnect(); // closed meanwhile
        return;
      }
      this.#listen(socket);
      this.#socket = socket;
      await this.#catchUp("join_universe");
    } catch (error) {
      if (this.#socket === null) socket.disconnect();
      if (error.data) await this.#notAdmitted(error.message, error.data);
      else throw error;
    } finally {
      this.#connecting = false;
    }
  }

  /** Events of a connection that has been given up are not heard any more. */
  #listen(socket) {
    socket.onAny((name, payload) => {
      if (this.#socket === socket) this.#hear(name, payload);
    });
    socket.on("disconnect", () => {
      if (this.#socket === socket) this.#dropConnection();
    });
  }

  async #notAdmitted(code, error) {
    if (error.retry_after) this.#connectAt = Math.max(this.#connectAt, performance.now() + 1000 * error.retry_after);
    if (OF_TOKEN.includes(code)) await this.#renew(code);
  }

  /** A fresh token; when there is none to be had because the session is over, that is the end. */
  async #renew(code) {
    try {
      await this.#account.renew();
      return true;
    } catch (error) {
      if (error.status >= 400 && error.status < 500) this.#end(code);
      else this.#tell("trouble", error.message);
      return false;
    }
  }

  /** The connection has gone, or is given up: all that was in flight will be sent again, in order. */
  #dropConnection() {
    const [socket, was] = [this.#socket, this.online];
    this.#socket = null;
    this.online = false;
    this.#gapSince = null;
    this.#people.clear();
    for (const one of this.#queue) one.sentAt = null;
    socket?.disconnect();
    if (was) this.#tell("offline", null);
  }

  /** Join, or ask for what is missing. */
  async #catchUp(event) {
    const socket = this.#socket;
    if (socket === null) return;
    this.#catchingUp = true;
    try {
      const since = this.#epoch === null ? null : this.applied;
      const asked = { universe_id: this.universeId, ...(since === null ? {} : { since, epoch: this.#epoch }) };
      const body = { ...asked, ...(event === "join_universe" ? { client_id: this.clientId } : {}) };
      const answer = await socket.timeout(ANSWER_MS).emitWithAck(event, body);
      if (this.#socket !== socket) return;
      if (!answer.ok) {
        if (["FORBIDDEN", "NOT_FOUND", "GONE"].includes(answer.error.code)) this.#end(answer.error.code);
        else this.#troubled(new Error(answer.error.message), answer.error.retry_after);
        return;
      }
      await this.#caughtUp(answer, since);
      if (!this.online && this.#socket === socket) this.#enter(answer.mode);
    } finally {
      this.#catchingUp = false;
      this.#gapSince = this.#held.size > 0 ? performance.now() : null;
    }
  }

  #enter(mode) {
    this.online = true;
    this.#attempts = 0;
    this.#clocks = [];
    this.#clockAt = 0;
    this.#tell("online", mode);
    this.#sendWhatMayGo();
  }

  #troubled(error, retryAfter = 0) {
    this.#connectAt = Math.max(this.#connectAt, performance.now() + 1000 * retryAfter);
    this.#tell("trouble", error.message);
    this.#dropConnection();
  }

  #say(event, payload) {
    if (this.online) this.#socket.emit(event, { universe_id: this.universeId, ...payload });
  }

  /** There is no way back in: what is unsaved stays in the queue for the user to copy. */
  #end(code) {
    this.ended = code;
    this.#dropConnection();
    this.#tell("ended", code);
  }

  #tell(name, payload) {
    for (const listener of [...(this.#listeners.get(name) ?? []), ...(this.#listeners.get("*") ?? [])]) listener(payload, name);
  }

  // What the server tells

  #hear(name, payload) {
    if ((payload?.universe_id ?? this.universeId) !== this.universeId) return;
    this.#reactions[name]?.(payload);
    this.#tell(name, payload);
  }

  #reactions = {
    change: (row) => {
      if (this.applied === null || row.revision > this.applied) this.#held.set(row.revision, row);
      this.#applyHeld();
    },
    transport_state: (state) => {
      if (this.transport === null || state.seq > this.transport.seq) this.transport = state;
    },
    role_changed: ({ role }) => {
      this.role = role;
    },
    resync_required: ({ reason }) => {
      if (reason !== "slow_client") this.#epoch = null; // what is held may be void: the next tick takes the document anew
    },
    access_revoked: ({ universe_id: universe, code }) => {
      if (universe !== undefined || code === "TOKEN_REVOKED") this.#end(code);
      else this.#dropConnection(); // the next connection is refused, renews the token, and goes on
    },
    auth_expiring: async () => {
      if (await this.#renew("TOKEN_EXPIRED")) this.#socket?.emit("reauthenticate", { token: this.#account.token });
    },
    draining: ({ retry_in_ms: wait }) => {
      this.#connectAt = performance.now() + wait;
      this.#dropConnection();
    },
    user_joined: (told) => this.#hearAll([told], true),
    user_left: ({ cid }) => this.#people.delete(cid),
    presence: ({ users, full }) => this.#hearAll(users, !full),
  };

  #hearAll(users, keep) {
    const known = this.#people;
    const entries = users.map((one) => [one.cid, { heard: performance.now(), told: { ...known.get(one.cid)?.told, ...one } }]);
    this.#people = new Map([...(keep ? known : []), ...entries]);
  }

  /** Five round trips; the shortest says best how far the server's clock is ahead of ours. Again after a minute. */
  #compareClocks() {
    const done = this.#clocks.length >= CLOCK_ROUNDS;
    this.#clockAt = performance.now() + (done ? CLOCK_MS : 200);
    if (done) {
      this.#offset = this.#clocks.sort((one, other) => one.roundTrip - other.roundTrip)[0].offset;
      this.#clocks = [];
      return;
    }
    this.#socket.emit("clock_sync", { t0: Date.now() }, ({ ok, t0, t1, t2 }) => {
      const t3 = Date.now();
      if (ok) this.#clocks.push({ roundTrip: t3 - t0 - (t2 - t1), offset: (t1 - t0 + (t2 - t3)) / 2 });
    });
  }
}

/** Drag a body: the others see it move, and where it is let go is stored. */
export async function drag(client, path, x, y, seconds) {
  const group = crypto.randomUUID();
  const start = { x: 0, y: 0, ...client.get(path)?.position };
  const began = performance.now();
  for (let part = 0; part < 1; part = (performance.now() - began) / 1000 / seconds) {
    const eased = 0.5 - Math.cos(part * Math.PI) / 2;
    client.preview(path, { position: { x: start.x * (1 - eased) + x * eased, y: start.y * (1 - eased) + y * eased } });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  client.update(path, { position: { x, y } }, group);
}

/** A queue kept in a file: written beside first, then put in its place. */
export async function fileStore(name) {
  const fs = await import("node:fs");
  return {
    load: () => (fs.existsSync(name) ? JSON.parse(fs.readFileSync(name, "utf8")) : []),
    save: (messages) => {
      fs.writeFileSync(`${name}.new`, JSON.stringify(messages));
      fs.renameSync(`${name}.new`, name);
    },
  };
}

const USAGE = `node client.mjs --username NAME --password WORD --universe ID [--url http://127.0.0.1:10000]
    [--queue FILE] [--drag BODY,X,Y] [--seconds 1]

Show what happens in a universe until interrupted, or drag a body and end once that is saved.`;

async function main() {
  const { parseArgs } = await import("node:util");
  const text = { type: "string" };
  const options = { url: text, username: text, password: text, universe: text, queue: text, drag: text, seconds: text, help: { type: "boolean" } };
  const { values: given } = parseArgs({ options });
  if (given.help || !given.username || !given.password || !given.universe) {
    console.log(USAGE);
    process.exit(given.help ? 0 : 2);
  }
  const account = await Account.logIn(given.url ?? "http://127.0.0.1:10000", given.username, given.password);
  const client = new Client(account, given.universe, given.queue ? { store: await fileStore(given.queue) } : {});
  client.on("document", (row) => {
    for (const step of row === null ? [] : stepsOf(row)) console.log(row.revision, step.op, step.path, JSON.stringify(step.after));
  });
  client.on("*", (payload, name) => {
    if (!["document", "change"].includes(name)) console.log(name, JSON.stringify(payload));
  });
  client.on("ended", () => client.close());
  client.start();
  if (!given.drag) return;
  await new Promise((resolve) => client.on("online", resolve));
  const [body, x, y] = given.drag.split(",");
  await drag(client, `bodies/${body}`, Number(x), Number(y), Number(given.seconds ?? 1));
  const saved = setInterval(() => {
    if (client.unsaved) return;
    clearInterval(saved);
    client.close();
    if (client.refused.length) process.exitCode = 1;
  }, TICK_MS);
}

if (globalThis.process?.argv[1] === new URL(import.meta.url).pathname) await main();
