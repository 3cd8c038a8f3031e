// Without this script the page works just as well, it only does not follow what comes in.
const live = document.getElementById("live");
const button = document.getElementById("updates");
let paused = false;

button.hidden = false;
button.addEventListener("click", () => {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
});

setInterval(async () => {
  if (paused || document.hidden || live.contains(document.activeElement)) return;
  try {
    const answer = await fetch("/");
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh.innerHTML !== live.innerHTML) live.innerHTML = fresh.innerHTML;
  } catch {
    // The service is being restarted; the next attempt will tell.
  }
}, 2000);
