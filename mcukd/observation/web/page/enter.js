// Entry: gives the code from the link, or the one typed, to the computer.
import { enterWith } from "./link.js";

const form = document.getElementById("enter");
const field = document.getElementById("code");
const why = document.getElementById("why");

async function enter(code) {
  why.textContent = "";
  const problem = await enterWith(code);
  if (problem === "") location.replace("/");
  else why.textContent = problem;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  enter(field.value);
});

const linked = location.hash.slice(1);
// The code is used up, so that it need not stay in the address.
history.replaceState(null, "", "/");
if (/^[0-9]{8}$/.test(linked)) enter(linked);
