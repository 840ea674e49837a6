"use strict";
// Load on a Socket.IO server, and what came of it: node socket_load.js '{"url": ..., "case": "fan_out", ...}'
//
// It speaks WebSocket over bare TCP, so that it costs far less for each message than any server it is to measure. Servers differ
// in their event names alone, which come as templates: @T@ stands for the time of sending, @N@ for a number, @U@ for a UUID.
//
// fan_out: everybody is in one room, and some send previews at a steady rate, step by step faster. Prints one line for each step.
// edits: many rooms, in each one sender whose next edit follows the acknowledgement of the one before. Prints one line.
// Both print `cpu_us`: the server's CPU time for each message delivered, or each edit acknowledged.

const fs = require("fs");
const net = require("net");
const crypto = require("crypto");

const job = JSON.parse(process.argv[2]);
const where = new URL(job.url);
const now = () => performance.now();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const STAMP = Buffer.from("T:");
let counting = false, delivered = 0, lost = 0, delays = [];

// One connection: WebSocket frames in and out, acknowledgements by number.
class Client {
  constructor(sampled) {
    this.sampled = sampled;
    this.rest = null;
    this.asked = new Map();
    this.number = 0;
  }

  open() {
    return new Promise((resolve, reject) => {
      this.opened = resolve;
      this.refused = reject;
      const socket = this.socket = net.connect(+where.port, where.hostname);
      socket.setNoDelay(true);
      socket.on("error", (error) => { lost++; reject(error); });
      socket.on("close", () => { lost++; reject(new Error("closed")); });
      const key = crypto.randomBytes(16).toString("base64");
      socket.write(
        `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ${where.host}\r\nConnection: Upgrade\r\n` +
        `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
      let answer = Buffer.alloc(0);
      const shake = (data) => {
        answer = Buffer.concat([answer, data]);
        const end = answer.indexOf("\r\n\r\n");
        if (end < 0) return;
        if (!answer.toString("latin1", 0, 12).endsWith("101")) return reject(new Error(answer.toString("latin1", 0, 200)));
        socket.off("data", shake);
        socket.on("data", (more) => this.take(more));
        this.take(answer.subarray(end + 4));
      };
      socket.on("data", shake);
    });
  }

  take(data) {
    if (this.rest) data = Buffer.concat([this.rest, data]);
    let at = 0;
    for (;;) {
      const left = data.length - at;
      if (left < 2) break;
      let size = data[at + 1] & 127, head = 2;
      if (size === 126) {
        if (left < 4) break;
        size = data.readUInt16BE(at + 2);
        head = 4;
      } else if (size === 127) {
        if (left < 10) break;
        size = Number(data.readBigUInt64BE(at + 2));
        head = 10;
      }
      if (left < head + size) break;
      this.frame(data[at] & 15, data, at + head, at + head + size);
      at += head + size;
    }
    this.rest = at < data.length ? data.subarray(at) : null;
  }

  frame(kind, data, from, to) {
    if (kind === 9) return this.write(10, data.subarray(from, to));
    if (kind !== 1 || to === from) return;
    const engine = data[from], packet = data[from + 1];
    if (engine === 50) return this.say("3"); // a ping
    if (engine === 48) return this.say("40" + JSON.stringify({ token: job.token }));
    if (engine !== 52) return;
    if (packet === 50) return this.event(data, from, to);
    if (packet === 48) return this.opened();
    if (packet === 52) return this.refused(new Error(data.toString("utf8", from, to)));
    if (packet === 51) {
      const text = data.toString("utf8", from + 2, to), mark = text.indexOf("["), number = +text.slice(0, mark);
      const answer = this.asked.get(number);
      this.asked.delete(number);
      if (answer) answer(text.slice(mark));
    }
  }

  event(data, from, to) {
    if (data.toString("latin1", from + 4, from + 4 + job.told.length) !== job.told) return;
    delivered++;
    if (!counting || !this.sampled) return;
    const stamp = data.indexOf(STAMP, from);
    if (stamp > 0 && stamp < to) delays.push(now() - parseFloat(data.toString("latin1", stamp + 2, stamp + 18)));
  }

  say(text) { this.write(1, Buffer.from(text)); }

  write(kind, payload) {
    const size = payload.length, long = size > 125;
    const frame = Buffer.alloc((long ? 8 : 6) + size); // a mask of zeros
    frame[0] = 128 | kind;
    frame[1] = 128 | (long ? 126 : size);
    if (long) frame.writeUInt16BE(size, 2);
    payload.copy(frame, frame.length - size);
    this.socket.write(frame);
  }

  send(text, answer) {
    if (!answer) return this.say("42" + text);
    this.asked.set(++this.number, answer);
    this.say("42" + this.number + text);
  }

  ask(text) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("no answer to " + text)), 20000);
      this.send(text, (answer) => { clearTimeout(late); resolve(answer); });
    });
  }
}

let filled = 0;
function fill(template) {
  filled++;
  return template.replace("@T@", () => now().toFixed(3)).replace("@N@", () => String(filled % 997 / 1000))
    .replace("@U@", () => crypto.randomUUID());
}

// User and system time of the server's processes so far, in seconds.
function cpu() {
  const children = new Map();
  for (const name of fs.readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const fields = fs.readFileSync(`/proc/${name}/stat`, "latin1").replace(/.*\) /s, "").split(" ");
      children.set(+fields[1], [...(children.get(+fields[1]) || []), +name]);
    } catch { /* it has ended meanwhile */ }
  }
  let ticks = 0;
  const look = (pid) => {
    try {
      const fields = fs.readFileSync(`/proc/${pid}/stat`, "latin1").replace(/.*\) /s, "").split(" ");
      ticks += +fields[11] + +fields[12];
    } catch { return; }
    for (const child of children.get(pid) || []) look(child);
  };
  look(job.pid);
  return ticks / job.ticks;
}

function spread(values) {
  values.sort((a, b) => a - b);
  const part = (share) => values.length ? +values[Math.min(values.length - 1, Math.floor(values.length * share))].toFixed(2) : null;
  return { p50_ms: part(0.5), p95_ms: part(0.95), p99_ms: part(0.99) };
}

function print(line) { console.log(JSON.stringify({ case: job.case, ...line, lost })); }

async function fanOut(clients) {
  let failed = 0; // one bad step may be somebody else's doing on a shared machine
  for (const rate of job.rates) { // messages a second that are to arrive
    const every = (clients.length - 1) * 1000 / rate; // milliseconds between two events
    let due = now(), sent = 0, going = true;
    const tick = setInterval(() => {
      for (; going && due <= now(); due += every) clients[sent++ % job.senders].send(fill(job.send));
    }, 2);
    await pause(job.warm_up * 1000);
    delivered = 0;
    delays = [];
    counting = true;
    const before = { sent, cpu: cpu(), at: now(), own: process.cpuUsage() };
    await pause(job.seconds * 1000);
    const seconds = (now() - before.at) / 1000, got = delivered, used = cpu() - before.cpu, own = process.cpuUsage(before.own);
    const share = got / ((sent - before.sent) * (clients.length - 1));
    counting = going = false;
    clearInterval(tick);
    for (let last = -1; last !== delivered; await pause(200)) last = delivered; // what is still under way
    const line = {
      rate, delivered_per_second: Math.round(got / seconds), share: +share.toFixed(3), ...spread(delays),
      cpu_us: +(used / got * 1e6).toFixed(2), server_cpu: +(used / seconds).toFixed(2), own_cpu: +((own.user + own.system) / 1e6 / seconds).toFixed(2),
    };
    print(line);
    failed = share < 0.97 || line.p99_ms > 500 ? failed + 1 : 0;
    if (failed === 2) break;
  }
}

async function edits(clients) {
  let done = 0, refused = 0, going = true, waits = [];
  const go = (client) => {
    const began = now();
    client.send(fill(job.sends[client.room]), (answer) => {
      if (answer.includes('"ok":true')) done++; else refused++;
      if (counting) waits.push(now() - began);
      if (going) go(client);
    });
  };
  for (const client of clients.slice(0, job.sends.length)) go(client);
  await pause(job.warm_up * 1000);
  done = delivered = 0;
  counting = true;
  const before = { cpu: cpu(), at: now() };
  await pause(job.seconds * 1000);
  const seconds = (now() - before.at) / 1000, used = cpu() - before.cpu, edited = done, told = delivered;
  counting = going = false;
  const arrival = spread(delays);
  print({
    edits_per_second: Math.round(edited / seconds), told_per_edit: +(told / edited).toFixed(2), refused, ...spread(waits),
    told_p50_ms: arrival.p50_ms, told_p95_ms: arrival.p95_ms, cpu_us: Math.round(used / edited * 1e6), server_cpu: +(used / seconds).toFixed(2),
  });
}

async function main() {
  const clients = [];
  while (clients.length < job.clients) {
    const some = Array.from({ length: Math.min(10, job.clients - clients.length) }, (_, n) => new Client(n === 0));
    await Promise.all(some.map((client) => client.open()));
    for (const client of some) {
      client.room = clients.length % job.joins.length;
      const answer = await client.ask(job.joins[client.room]);
      if (!answer.includes('"ok":true')) throw new Error(answer);
      clients.push(client);
    }
  }
  await pause(500);
  await (job.case === "edits" ? edits : fanOut)(clients);
  process.exit(0);
}

main().catch((error) => { console.error(String(error.stack || error)); process.exit(1); });
