// The page of one public list: it shows what is in the database, and after each change asks for it again.

const byId = (id) => document.getElementById(id);

const { publishable } = await (await fetch("/.well-known/roadbed.json")).json();
const backend = supabase.createClient(location.origin, publishable, {
  auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
});

// The rows that a request gave, or an exception with what the server said.
async function rows(request) {
  const { data, error } = await request;
  if (error) throw new Error(error.message);
  return data;
}

// Runs a change, then shows what is there now; what went wrong is said on the page.
async function change(request) {
  const problem = byId("problem");
  try {
    if (request) await rows(request);
    await show();
    problem.hidden = true;
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

async function show() {
  const todos = await rows(
    backend.from("todos").select("id,title,is_done").eq("list_id", list.id).order("id"),
  );
  byId("todos").replaceChildren(...todos.map(item));
  const left = todos.filter((todo) => !todo.is_done).length;
  byId("left").textContent = left === 0 ? "All done." : `${left} of ${todos.length} left`;
}

function item(todo) {
  const element = byId("todo").content.cloneNode(true).firstElementChild;
  const [done, text] = element.querySelectorAll("input");
  const table = backend.from("todos");
  element.dataset.id = todo.id;
  done.checked = todo.is_done;
  done.setAttribute("aria-label", `Done: ${todo.title}`);
  text.value = todo.title;
  done.addEventListener("change", () => change(table.update({ is_done: done.checked }).eq("id", todo.id)));
  text.addEventListener("change", () => change(table.update({ title: text.value }).eq("id", todo.id)));
  element.querySelector(".delete").addEventListener("click", () => change(table.delete().eq("id", todo.id)));
  return element;
}

byId("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const title = byId("title");
  await change(backend.from("todos").insert({ list_id: list.id, title: title.value }));
  title.value = "";
  title.focus();
});

const [list] = await rows(backend.from("lists").select("id,name").eq("is_public", true).order("id").limit(1));
byId("name").textContent = list.name;
document.title = list.name;
await change();
