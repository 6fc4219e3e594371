// A wire between the driver and the server that loses the answer to a command, once, and both connections with it.
const net = require('net');

module.exports = async uri => {
  const to = new URL(uri);
  const wire = { cuts: 0, waiting: null };
  const open = new Set();
  const server = net.createServer(near => {
    const far = net.connect(+to.port, to.hostname);
    let lost = false;
    open.add(near).add(far);
    for (const s of [near, far]) s.on('error', () => {}).on('close', () => { near.destroy(); far.destroy(); open.delete(s); });
    near.on('data', b => {
      // The first element of a command's document is its name: type byte, name, zero.
      if (wire.waiting && b.includes(wire.waiting + '\0')) { wire.waiting = null; lost = true; }
      far.write(b);
    });
    far.on('data', b => {
      if (!lost) return near.write(b);
      wire.cuts++;
      near.destroy();
    });
  });
  await new Promise(r => server.listen(0, '127.0.0.1', r));
  const u = new URL(uri);
  u.port = server.address().port;
  u.searchParams.set('directConnection', 'true');
  wire.uri = u.toString();
  wire.cutAnswerTo = name => { wire.waiting = name; };
  wire.cutAll = () => { wire.cuts++; for (const s of open) s.destroy(); };
  wire.close = () => { wire.cutAll(); server.close(); };
  return wire;
};
