// The phone's side of a hand-off: photos go straight to the storage, each shows how far it is.
"use strict";

const KEPT_AS = "rekindle-handoff";
const AT_ONCE_MAX = 3;
const TRIES_MAX = 4;
const PAUSE_MS = 800;
const PAUSE_MAX_MS = 10_000;
const LOOK_EVERY_MS = 15_000;
const ANSWER_TIMEOUT_MS = 30_000;
const SILENCE_TIMEOUT_MS = 60_000;
const UNSENT = { detail: "The file was not taken.", again: true };
const ENDED = { detail: "This code has ended. Make a new one on your computer." };
const UNAUTHENTICATED = 401;

const said = document.getElementById("said");
const choices = document.getElementById("choices");
const list = document.getElementById("photos");
const row = document.getElementById("row");

const token = takeToken();
const waiting = [];
const counts = { busy: 0, arrived: 0 };
let handoff = null;
let isOver = false;

class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || "That did not work.");
    this.status = status;
    // No answer, too many at once, or a fault of ours: the same may work a little later.
    this.passes = status === 0 || status === 429 || status >= 500;
    this.again = this.passes || problem.again === true;
    this.pauseMs = 1000 * (problem.retry_after_s || 0);
  }
}

const broken = () => new Refusal(0, { detail: "The connection broke." });
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

// The token leaves the address bar at once, so that neither history nor a shared link holds it.
function takeToken() {
  const given = location.hash.slice(1);
  if (!given) return sessionStorage.getItem(KEPT_AS);
  sessionStorage.setItem(KEPT_AS, given);
  history.replaceState(null, "", location.pathname);
  return given;
}

async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    // Whoever is signed in on this phone has nothing to do with it.
    credentials: "omit",
    cache: "no-store",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  }).catch(() => {
    throw broken();
  });
  const document = await answer.json().catch(() => ({}));
  if (answer.ok) return document;
  throw new Refusal(answer.status, answer.status === UNAUTHENTICATED ? ENDED : document);
}

function send(upload, file, onProgress) {
  return new Promise((done, fail) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
    form.append("file", file);
    const request = new XMLHttpRequest();
    let silence = null;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => request.abort(), SILENCE_TIMEOUT_MS);
    };
    request.upload.onprogress = (event) => {
      heard();
      onProgress(event.loaded / event.total);
    };
    request.onloadend = () => {
      clearTimeout(silence);
      if (request.status >= 200 && request.status < 300) done();
      else fail(request.status ? new Refusal(request.status, UNSENT) : broken());
    };
    request.open(upload.method, upload.url);
    request.send(form);
    heard();
  });
}

async function patiently(work) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (refusal) {
      if (!refusal.passes || tries === TRIES_MAX) throw refusal;
      await pause(Math.min(Math.max(PAUSE_MS * 2 ** tries, refusal.pauseMs), PAUSE_MAX_MS));
    }
  }
}

function add(files) {
  for (const file of files) {
    const item = row.content.firstElementChild.cloneNode(true);
    const photo = { file, item, begun: null };
    const picture = item.querySelector("img");
    picture.src = URL.createObjectURL(file);
    picture.onload = () => URL.revokeObjectURL(picture.src);
    // Few browsers can show a HEIC; the plain square stays.
    picture.onerror = () => picture.removeAttribute("src");
    item.querySelector(".name").textContent = file.name || "Photo";
    item.querySelector("button").onclick = () => queue(photo);
    list.prepend(item);
    queue(photo);
  }
}

function queue(photo) {
  tell(photo, "waiting", "Waiting");
  waiting.push(photo);
  next();
}

function next() {
  while (counts.busy < AT_ONCE_MAX && waiting.length) take(waiting.shift());
  sumUp();
}

async function take(photo) {
  counts.busy += 1;
  try {
    await bring(photo);
    counts.arrived += 1;
    tell(photo, "arrived", "On your computer");
  } catch (refusal) {
    tell(photo, "refused", refusal.message);
    photo.item.querySelector("button").hidden = !refusal.again;
    // The storage's form may be too old: then everything begins anew.
    if (!refusal.passes) photo.begun = null;
  }
  counts.busy -= 1;
  next();
  await look();
}

async function bring(photo) {
  const { file } = photo;
  const bar = photo.item.querySelector("progress");
  tell(photo, "sending", "Sending");
  // What was begun is gone on with: it has its place already.
  photo.begun ??= await patiently(() =>
    // In one piece: a page that is closed could not go on with the other ones.
    ask("POST", "/v1/photos", {
      filename: file.name || "photo.jpg",
      size: file.size,
      multipart: false,
    }),
  );
  const { upload, photo: shown } = photo.begun;
  await patiently(() =>
    send(upload, file, (part) => {
      bar.value = part;
      tell(photo, "sending", `Sending, ${Math.round(100 * part)} %`);
    }),
  );
  tell(photo, "sending", "Looking at it");
  await patiently(() => ask("POST", `/v1/photos/${shown.id}/complete`, {}));
}

function tell(photo, state, text) {
  photo.item.className = state;
  photo.item.querySelector(".state").textContent = text;
  photo.item.querySelector("button").hidden = true;
}

async function look() {
  try {
    handoff = await ask("GET", "/v1/handoffs/current");
    isOver = handoff.state !== "open";
  } catch (refusal) {
    if (refusal.status === UNAUTHENTICATED) isOver = true;
    else if (!handoff) said.textContent = refusal.message;
  }
  sumUp();
}

function sumUp() {
  const onTheWay = counts.busy + waiting.length;
  choices.hidden = isOver || !handoff;
  if (onTheWay) said.textContent = `${photos(onTheWay)} on the way. Keep this page open.`;
  else if (counts.arrived) said.textContent = `${photos(counts.arrived)} arrived. ${rest()}`;
  else if (isOver || handoff) said.textContent = rest();
}

function rest() {
  if (handoff?.state === "full") return "That was the last one: make a new code for more.";
  if (!token) return "Scan the code that your computer shows.";
  if (isOver) return ENDED.detail;
  const left = handoff.photos_left;
  const until = new Date(handoff.expires_at).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
  });
  return `You can add ${left} ${counts.arrived ? "more" : "photos"} until ${until}.`;
}

const photos = (count) => (count === 1 ? "One photo" : `${count} photos`);

for (const name of ["camera", "gallery"]) {
  const input = document.getElementById(name);
  input.onchange = () => {
    add([...input.files]);
    input.value = "";
  };
}

// Another code was opened in this very tab.
addEventListener("hashchange", () => location.reload());

addEventListener("beforeunload", (event) => {
  if (counts.busy + waiting.length) event.preventDefault();
});

if (!token) {
  isOver = true;
  sumUp();
} else {
  look();
  setInterval(look, LOOK_EVERY_MS);
}
