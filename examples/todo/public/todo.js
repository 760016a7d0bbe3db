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
  // What is on the page already stays there, so that nobody loses the line that she is typing in.
  const shown = new Map([...byId("todos").children].map((element) => [element.dataset.id, element]));
  for (const todo of todos) {
    const id = String(todo.id);
    fill(shown.get(id) ?? byId("todos").appendChild(item(id)), todo);
    shown.delete(id);
  }
  shown.forEach((element) => element.remove());
  const left = todos.filter((todo) => !todo.is_done).length;
  byId("left").textContent = left === 0 ? "All done." : `${left} of ${todos.length} left`;
}

function fill(element, todo) {
  const [done, text] = element.querySelectorAll("input");
  done.checked = todo.is_done;
  done.setAttribute("aria-label", `Done: ${todo.title}`);
  if (text !== document.activeElement) text.value = todo.title;
}

function item(id) {
  const element = byId("todo").content.cloneNode(true).firstElementChild;
  element.dataset.id = id;
  const [done, text] = element.querySelectorAll("input");
  const todos = backend.from("todos");
  done.addEventListener("change", () => change(todos.update({ is_done: done.checked }).eq("id", id)));
  text.addEventListener("change", () => change(todos.update({ title: text.value }).eq("id", id)));
  element.querySelector(".delete").addEventListener("click", () => change(todos.delete().eq("id", id)));
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
