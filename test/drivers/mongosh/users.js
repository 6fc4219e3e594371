// Users made from mongosh, on a server that has none. Prints "mongosh ok" at the end.
const assert = require('assert');
function fails(f, text) {
  try { f(); } catch (e) { assert.match(String(e.message), text); return; }
  throw new Error('no failure like ' + text);
}
const admin = db.getSiblingDB('admin');
admin.createUser({ user: 'shelluser', pwd: 'secret', roles: ['root'] });
fails(() => admin.getUsers(), /requires authentication/); // from the first user on
assert.strictEqual(admin.auth('shelluser', 'secret').ok, 1);
assert.ok(admin.getUsers().users.some(u => u.user === 'shelluser'));
fails(() => admin.auth('shelluser', 'wrong'), /Authentication failed/);
admin.changeUserPassword('shelluser', 'other');
assert.strictEqual(admin.auth('shelluser', 'other').ok, 1);
admin.dropUser('shelluser');
admin.logout();
print('mongosh ok');
