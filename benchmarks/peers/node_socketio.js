"use strict";
// Node's socket.io with one room, for comparison: PORT says where it listens. Nobody's token is verified, and nothing is stored.
const http = require("http");
const { Server } = require("socket.io");

const server = http.createServer();
new Server(server, { serveClient: false }).on("connection", (socket) => {
  socket.on("join_universe", (message, answer) => {
    socket.join(message.universe_id);
    answer({ ok: true });
  });
  socket.on("preview", (message) => socket.to(message.universe_id).emit("preview", message));
});
server.listen(+process.env.PORT || 0, "127.0.0.1", () => console.log(`Listening at: http://127.0.0.1:${server.address().port}`));
