// The whole client: nothing but the public API of realm-web. The one line that
// an app changes to move to Regent is baseUrl.
const app = new Realm.App({ id: "todo-kxqwm", baseUrl: location.origin });
const { ObjectId } = Realm.BSON;
const $ = (id) => document.getElementById(id);

const itemsOf = (user) => user.mongoClient("mongodb-atlas").db("todo").collection("items");
const profilesOf = (user) => user.mongoClient("mongodb-atlas").db("todo").collection("profiles");

/** Runs an action of the page and shows its error to the person, if any. */
async function attempt(action) {
  $("error").hidden = true;
  try {
    await action();
  } catch (err) {
    $("error").textContent = err.error || err.message;
    $("error").hidden = false;
  }
}

const on = (id, event, action) =>
  $(id).addEventListener(event, (e) => {
    e.preventDefault();
    attempt(() => action(e));
  });

let watching = null; // the open change stream, if any

async function show() {
  const user = app.currentUser;
  $("signed-out").hidden = !!user;
  $("signed-in").hidden = !user;
  if (!user) return;
  showUser(user);
  await showItems(user);
  if (!watching) watch(user);
}

function showUser(user) {
  const data = user.customData;
  const linked = user.identities.map((identity) => identity.providerType);
  $("name").textContent = data.name || "guest";
  $("dot").style.background = data.colour || "";
  $("identities").textContent = linked.join(" + ");
  $("custom-data").textContent = JSON.stringify({ id: user.id, customData: data, profile: user.profile }, null, 2);
  $("link").hidden = linked.includes("local-userpass");
}

async function showItems(user) {
  const items = await itemsOf(user).find({}, { sort: { created: 1 } });
  $("items").replaceChildren(...items.map((item) => row(user, item)));
  $("none").hidden = items.length > 0;
  const { greeting, open, done } = await user.functions.summary();
  $("summary").textContent = `${open} open, ${done} done. ${greeting}!`;
}

function row(user, item) {
  const li = document.createElement("li");
  li.classList.toggle("done", item.done);
  const tick = document.createElement("input");
  tick.type = "checkbox";
  tick.checked = item.done;
  tick.setAttribute("aria-label", `Done: ${item.text}`);
  tick.onchange = () => attempt(() => itemsOf(user).updateOne({ _id: item._id }, { $set: { done: tick.checked } }));
  const text = document.createElement("span");
  text.textContent = item.text;
  const remove = document.createElement("button");
  remove.textContent = "×";
  remove.setAttribute("aria-label", `Delete: ${item.text}`);
  remove.onclick = () => attempt(() => itemsOf(user).deleteOne({ _id: item._id }));
  li.append(tick, text, remove);
  return li;
}

/** Follows the collection, so that what another tab does is seen here. */
async function watch(user) {
  const stream = itemsOf(user).watch();
  watching = stream;
  // The stream is open once its first result is asked for; changes made
  // between the first list and that moment are caught by listing once more.
  const first = stream.next();
  $("live").textContent = "live";
  $("live").classList.add("on");
  setTimeout(() => watching === stream && attempt(() => showItems(user)), 300);
  try {
    for (let next = await first; !next.done && watching === stream; next = await stream.next()) {
      await attempt(() => showItems(user));
    }
  } catch (err) {
    if (watching === stream) $("live").textContent = "disconnected: " + err.message;
  }
  $("live").classList.remove("on");
}

async function enter(credentials) {
  await app.logIn(credentials);
  await show();
}

const emailPassword = (prefix) => {
  const email = $(prefix + "email").value;
  const password = $(prefix + "password").value;
  return { email, password };
};

on("credentials", "submit", () => {
  const { email, password } = emailPassword("");
  return enter(Realm.Credentials.emailPassword(email, password));
});

on("register", "click", async () => {
  if (!$("credentials").reportValidity()) return;
  const { email, password } = emailPassword("");
  await app.emailPasswordAuth.registerUser({ email, password });
  await enter(Realm.Credentials.emailPassword(email, password));
});

on("anonymous", "click", () => enter(Realm.Credentials.anonymous()));

on("link-form", "submit", async () => {
  const { email, password } = emailPassword("link-");
  await app.emailPasswordAuth.registerUser({ email, password });
  await app.currentUser.linkCredentials(Realm.Credentials.emailPassword(email, password));
  await show();
});

on("add", "submit", async () => {
  const user = app.currentUser;
  await itemsOf(user).insertOne({
    _id: new ObjectId(),
    owner_id: user.id,
    text: $("text").value,
    done: false,
    created: new Date(),
  });
  $("text").value = "";
});

on("rename", "submit", async () => {
  const user = app.currentUser;
  await profilesOf(user).updateOne({ owner_id: user.id }, { $set: { name: $("new-name").value } });
  await user.refreshCustomData();
  showUser(user);
});

on("logout", "click", async () => {
  watching = null;
  await app.currentUser.logOut();
  await show();
});

attempt(show);
