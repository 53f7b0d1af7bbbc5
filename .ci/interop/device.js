// A device of lwm2m-node-lib: `node device.js SERVER_PORT ENDPOINT`. A line of standard input is the
// new value of /3/0/9.
'use strict';

const { client } = require('lwm2m-node-lib');
const settings = require('lwm2m-node-lib/config').client;

const [port, endpoint] = process.argv.slice(2);
const { registry } = client;
const store = (resource, value, done) => registry.setResource('/3/0', resource, value, done);

function serve(error, device) {
  if (error) throw error;
  const on = (operation, handler) => client.setHandler(device.serverInfo, operation, handler);
  on('read', (type, id, resource, value, done) => done(null, value));
  on('write', (type, id, resource, value, done) => store(resource, String(value), done));
  on('execute', (type, id, resource, value, done) => {
    console.log(`executed /${type}/${id}/${resource}`);
    done(null);
  });
  const lines = require('readline').createInterface({ input: process.stdin });
  lines.on('line', (value) => store('9', value, () => {}));
  console.log('registered');
}

client.init({ client: { ...settings, lifetime: '60', logLevel: 'FATAL' } });
registry.create('/3/0', () => {
  store('0', 'Telefonica', () => {
    store('9', '100', () => client.register('127.0.0.1', Number(port), '', endpoint, serve));
  });
});
