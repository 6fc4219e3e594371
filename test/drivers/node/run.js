// Runs the sections of this folder against a server: node run.js URI [SECTION...]. Each gets { client, db, uri }, with a database of
// its own that is dropped behind it, and says what it found by assertions. Prints "ok NAME" after each.
const fs = require('fs');
const path = require('path');
const { MongoClient } = require('mongodb');

const [uri, ...only] = process.argv.slice(2);

(async () => {
  const client = await new MongoClient(uri).connect();
  for (const file of fs.readdirSync(path.join(__dirname, 'sections')).sort()) {
    const name = path.basename(file, '.js');
    if (only.length && !only.includes(name)) continue;
    const db = client.db('node_' + name);
    await db.dropDatabase();
    try {
      await require('./sections/' + file)({ client, db, uri });
    } catch (e) {
      console.error('section ' + name);
      throw e;
    }
    await db.dropDatabase();
    console.log('ok ' + name);
  }
  await client.close();
})().catch(e => { console.error(e); process.exit(1); });
