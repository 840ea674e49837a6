// Drives the JavaScript client by lines of JSON: {"call": name, "with": [...]}; each is answered by one line.
import { createInterface } from "node:readline";

import { Account, Client, fileStore } from "../../examples/javascript/client.mjs";

const [loginUrl, url, username, password, universe, queue, ackMs] = process.argv.slice(2);
const account = await Account.logIn(loginUrl, username, password);
const client = new Client(account, universe, { url, store: await fileStore(queue), ackMs: Number(ackMs) });
const revisions = [];
client.on("document", (row) => revisions.push(row === null ? null : row.revision));

const verbs = {
  state: () => ({ online: client.online, unsaved: client.unsaved, applied: client.applied, refused: client.refused, ended: client.ended }),
  view: () => client.view(),
  confirmed: () => client.document.nested(),
  get: (path) => client.get(path) ?? null,
  people: () => client.people(),
  revisions: () => revisions,
};
for await (const line of createInterface({ input: process.stdin })) {
  const { call, with: given } = JSON.parse(line);
  const answer = verbs[call] ? verbs[call](...given) : client[call](...given);
  process.stdout.write(`${JSON.stringify(answer ?? null)}\n`);
}
client.close();
