// Loaded before Portkey's gateway, which has no option for it: listen on loopback, and reach nothing else.
"use strict";
const net = require("node:net");

const HOST = "127.0.0.1";
const listen = net.Server.prototype.listen;
const connect = net.Socket.prototype.connect;

net.Server.prototype.listen = function (port, ...rest) {
  const callback = rest.find((each) => typeof each === "function");
  return listen.call(this, { port: typeof port === "object" ? port.port : port, host: HOST }, callback);
};

net.Socket.prototype.connect = function (...given) {
  const options = Array.isArray(given[0]) ? given[0][0] : given[0];
  if (options && options.host && options.host !== HOST) {
    throw new Error(`${options.host} is not loopback`);
  }
  return connect.apply(this, given);
};
