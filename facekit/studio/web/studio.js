// The page: its state, its controls, and what they show. The state is in the address, so that a link leads back to it.
"use strict";

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A text of texts.json; {name} in it is replaced by a value.
function t(key, values = {}) {
  return CONTENTS.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const pause = (milliseconds = 0) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function saveAs(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const studio = (() => {
  const { emotions, generators, units, presets } = CONTENTS;
  const UNDOS = 100;

  const state = {
    person: 7,
    generator: 0,
    request: expressions.empty(),
    blend: false,
    linked: true,
    neutralise: false,
    view: "compare",
  };
  let face = null;
  let own = expressions.columns.map(() => 0); // the face's own action units
  let shown = null; // {before, after} of the chosen generator
  const undo = { past: [], future: [] };

  // ------------------------------------------------------------------------------------------------- editing

  async function edited(generator, request, share = 1) {
    const before = face.images[generator.size];
    const target = expressions.labelFor(generator, request, own);
    const unknown = expressions.unknownTo(generator, request, own);
    if (!target || unknown.length || share === 0) return { before, after: before, untouched: true, unknown };
    const from = generator.part === "emotion" ? expressions.neutralLabel(generator) : own;
    const moved = target.map((level, i) => from[i] + share * (level - from[i]));
    const label = expressions.known(generator, moved);
    let input = before;
    if (state.neutralise) input = await engine.edit(generator, before, expressions.neutralLabel(generator));
    return { before, after: await engine.edit(generator, input, label), untouched: false, unknown };
  }

  const chosen = () => generators[state.generator];

  let wanted = 0;
  let running = false;

  // Show the latest state; what was asked for in between is left out.
  async function refresh() {
    wanted++;
    movement.reset();
    controls();
    remember();
    if (running) return;
    running = true;
    document.body.dataset.busy = 1;
    let done = 0;
    try {
      while (done !== wanted) {
        done = wanted;
        await showEdit();
        await pause();
        if (done === wanted) await showReading();
        for (const each of cards) if (done === wanted) await each.show();
      }
    } catch (error) {
      say(t("failed", { why: error.message }), true);
    }
    running = false;
    delete document.body.dataset.busy;
  }

  async function showEdit() {
    const generator = chosen();
    if (!engine.isLoaded(generator)) say(t("loading", { name: generator.name }));
    await engine.load(generator);
    const began = performance.now();
    shown = await edited(generator, state.request);
    document.body.dataset.milliseconds = Math.round(performance.now() - began);
    const names = shown.unknown.map((name) => CONTENTS.texts[name] || name).join(", ");
    say(names ? t("unknown", { generator: generator.name, names }) : "");
    paint();
  }

  function paint(image = shown.after) {
    pictures.draw(shown.before, byId("before"));
    const drawn = { compare: pictures.draw, difference: pictures.drawDifference, change: pictures.drawChange };
    if (state.view === "compare") pictures.draw(image, byId("after"));
    else drawn[state.view](shown.before, image, byId("after"));
    byId("stage").classList.toggle("single", state.view !== "compare");
    divide();
    const what = shown.untouched ? t("untouched") : described();
    byId("after").setAttribute("aria-label", t("stage", { generator: chosen().name, what }));
  }

  function divide() {
    const share = state.view === "compare" ? byId("divider").value : 0;
    byId("after").style.clipPath = `inset(0 0 0 ${share}%)`;
    byId("bar").style.left = `${share}%`;
  }

  function described() {
    const parts = Object.entries(state.request.emotions).map(([name, level]) => `${t(name)} ${percent(level)} %`);
    const set = Object.entries(state.request.units).map(([name, level]) => `${name} ${percent(level)} %`);
    return [...parts, ...set].join(", ");
  }

  const percent = (level) => Math.round(100 * level);

  function strongest(probabilities) {
    return Object.entries(probabilities).reduce((best, each) => (each[1] > best[1] ? each : best));
  }

  async function showReading() {
    const probabilities = await engine.read(shown.after);
    const [name, share] = strongest(probabilities);
    const milliseconds = shown.untouched ? "" : ` ${t("time", { ms: document.body.dataset.milliseconds })}`;
    const untouched = shown.untouched ? `${t("untouched")} ` : "";
    byId("reading").textContent = untouched + t("reading", { emotion: t(name), share: percent(share) }) + milliseconds;
    byId("bars").replaceChildren(
      ...emotions.map((each) => {
        const bar = element("i", { title: `${t(each.name)} ${percent(probabilities[each.name])} %` });
        bar.style.cssText = `width:${100 * probabilities[each.name]}%;background:${each.color}`;
        return bar;
      }),
    );
  }

  function say(text, wrong = false) {
    const note = byId("note");
    note.textContent = text || (face && face.picture ? t("photograph") : "");
    note.classList.toggle("wrong", wrong);
  }

  // ------------------------------------------------------------------------------------------------ the strip

  function card(name, line) {
    const canvas = element("canvas", { width: 64, height: 64 });
    const reading = element("small");
    return { canvas, reading, inside: [canvas, element("b", { textContent: name, title: line }), reading] };
  }

  function generatorCard(generator, index) {
    const { canvas, reading, inside } = card(generator.name, generator.line);
    const button = element("button", { className: "card", ariaLabel: t("use", { name: generator.name }) }, ...inside);
    button.onclick = () => change(() => (state.generator = index));
    async function show() {
      button.classList.add("waiting");
      const { after } = index === state.generator ? shown : await edited(generator, state.request);
      pictures.draw(after, canvas);
      await pause();
      const [emotion, share] = strongest(await engine.read(after));
      reading.textContent = `${t(emotion)} ${percent(share)} %`;
      button.classList.remove("waiting");
    }
    return { node: button, show, mark: () => button.setAttribute("aria-pressed", String(index === state.generator)) };
  }

  function truthCard() {
    const { canvas, reading, inside } = card(t("ground_truth"), t("ground_truth_line"));
    const node = element("div", { className: "card", title: t("ground_truth_line") }, ...inside);
    async function show() {
      const image = await engine.truth(face, state.request);
      node.hidden = !image;
      if (!image) return;
      pictures.draw(image, canvas);
      const [name, share] = strongest(await engine.read(image));
      reading.textContent = `${t(name)} ${percent(share)} %`;
    }
    return { node, show, mark: () => {} };
  }

  const inStrip = generators.map((each, index) => [each, index]).filter(([each]) => each.strip);
  const cards = [...inStrip.map(([each, index]) => generatorCard(each, index)), truthCard()];

  // ------------------------------------------------------------------------------------------------ controls

  const levels = []; // functions that bring a control up to date

  function slider(label, read, write) {
    const input = element("input", { type: "range", min: 0, max: 100, step: 1, ariaLabel: label });
    const output = element("output");
    input.oninput = () => {
      write(input.value / 100);
      refresh();
    };
    input.onchange = commit;
    levels.push(() => {
      input.value = percent(read());
      output.textContent = percent(read());
    });
    return [input, output];
  }

  function emotionControls() {
    emotions.forEach(({ name, color }, i) => {
      const chip = element("button", { className: "chip", textContent: t(name), title: String(i + 1) });
      chip.dataset.color = color;
      chip.style.setProperty("--color", color);
      chip.onclick = () => change(() => toggle(name));
      byId("chips").append(chip);
      const row = element("div", { className: "level" }, element("span", { textContent: t(name) }));
      row.append(
        ...slider(
          t(name),
          () => state.request.emotions[name] || 0,
          (level) => (state.request.emotions[name] = level),
        ),
      );
      byId("intensities").append(row);
      levels.push(() => {
        const on = name in state.request.emotions;
        chip.setAttribute("aria-pressed", String(on));
        row.hidden = !on;
      });
    });
  }

  function toggle(name) {
    const chosenEmotions = state.request.emotions;
    if (name in chosenEmotions) delete chosenEmotions[name];
    else
      state.request.emotions = {
        ...(state.blend ? chosenEmotions : {}),
        [name]: state.blend && Object.keys(chosenEmotions).length ? 0.5 : 1,
      };
    state.request.units = {};
  }

  function unitControls() {
    const regions = [...new Set(units.map((unit) => unit.region))];
    for (const region of regions) {
      byId("regions").append(element("h3", { textContent: t(region) }));
      for (const unit of units.filter((each) => each.region === region)) byId("regions").append(unitControl(unit));
    }
  }

  function unitControl(unit) {
    const label = `AU ${unit.number} ${unit.name}`;
    const name = element("span", { className: "name" }, label, element("small", { textContent: unit.muscle }));
    const follow = element("button", {
      className: "follow quiet",
      textContent: "×",
      title: t("follow"),
      ariaLabel: `${label}: ${t("follow")}`,
    });
    const sides = element("span", { className: "sides" });
    const node = element(
      "div",
      { className: "unit" },
      element("img", { src: unit.picture, alt: "" }),
      name,
      follow,
      sides,
    );
    const read = (column) => expressions.actionUnits(state.request, own)[expressions.columns.indexOf(column)];
    const set = (columns, level) => columns.forEach((column) => (state.request.units[column] = level));
    const side = (columns, text) => {
      const row = element("label", { className: "side" }, element("span", { textContent: text }));
      row.append(
        ...slider(
          `${label} ${text}`.trim(),
          () => Math.max(...columns.map(read)),
          (level) => set(columns, level),
        ),
      );
      sides.append(row);
      return row;
    };
    const both = side(unit.columns, "");
    const single =
      unit.columns.length > 1 ? unit.columns.map((column, k) => side([column], t(k ? "right" : "left"))) : [];
    follow.onclick = () => change(() => unit.columns.forEach((column) => delete state.request.units[column]));
    levels.push(() => {
      const apart =
        single.length > 0 && (!state.linked || Math.abs(read(unit.columns[0]) - read(unit.columns[1])) > 0.005);
      both.hidden = apart;
      single.forEach((row) => (row.hidden = !apart));
      const untrained = chosen().untrained.filter((column) => unit.columns.includes(column));
      node.classList.toggle("untrained", untrained.length === unit.columns.length);
      node.title = untrained.length ? t("unknown", { generator: chosen().name, names: label }) : "";
      node.classList.toggle(
        "set",
        unit.columns.some((column) => column in state.request.units),
      );
    });
    return node;
  }

  function presetControls() {
    for (const preset of presets) {
      const button = element("button", { className: "chip", textContent: t(preset.name) });
      button.onclick = () => change(() => (state.request = { emotions: {}, units: { ...preset.units } }));
      byId("presets").append(button);
    }
  }

  function controls() {
    levels.forEach((update) => update());
    cards.forEach((each) => each.mark());
    byId("generator").value = state.generator;
    byId("line").textContent = chosen().line;
    byId("emotions-only").textContent =
      chosen().part === "emotion" ? t("emotions_only", { generator: chosen().name }) : "";
    for (const name of ["blend", "linked", "neutralise"]) byId(name).checked = state[name];
    document.querySelectorAll("[data-view]").forEach((radio) => {
      radio.setAttribute("aria-checked", String(radio.dataset.view === state.view));
      radio.tabIndex = radio.dataset.view === state.view ? 0 : -1;
    });
    byId("undo").disabled = !undo.past.length;
    byId("redo").disabled = !undo.future.length;
    byId("whole").hidden = !face?.picture;
  }

  // ------------------------------------------------------------------------------------ the state and its past

  const snapshot = () =>
    JSON.stringify({ generator: state.generator, request: state.request, neutralise: state.neutralise });
  let committed = snapshot();

  // A step that can be undone ends here.
  function commit() {
    if (snapshot() === committed) return;
    undo.past.push(committed);
    undo.past.splice(0, undo.past.length - UNDOS);
    undo.future = [];
    committed = snapshot();
    controls();
  }

  function change(act) {
    act();
    commit();
    refresh();
  }

  function step(from, to) {
    if (!from.length) return;
    to.push(committed);
    committed = from.pop();
    Object.assign(state, JSON.parse(committed));
    refresh();
  }

  // The address names person, generator, emotions and action units: #p=7&g=ganimation-synthetic&happy=0.8&AU12L=0.5
  function remember() {
    const values = new URLSearchParams();
    if (face && face.id !== null) values.set("p", face.id);
    values.set("g", chosen().weights);
    for (const [name, level] of Object.entries({ ...state.request.emotions, ...state.request.units }))
      values.set(name, Number(level.toFixed(2)));
    if (state.neutralise) values.set("neutralise", 1);
    history.replaceState(null, "", `#${values}`);
  }

  function recall() {
    const values = new URLSearchParams(location.hash.slice(1));
    const person = Number(values.get("p") ?? state.person);
    state.person = Number.isInteger(person) && person >= 0 && person < faces.count ? person : state.person;
    state.generator = Math.max(
      0,
      generators.findIndex((each) => each.weights === values.get("g")),
    );
    state.request = expressions.checked(Object.fromEntries(values), Object.fromEntries(values));
    state.neutralise = values.get("neutralise") === "1";
    state.blend = Object.keys(state.request.emotions).length > 1;
    committed = snapshot();
  }

  async function take(next) {
    face = next;
    own = expressions.columns.map(() => 0);
    markPerson(face.id);
    if (face.picture) own = await engine.actionUnits(face.images[64]);
    refresh();
  }

  // ---------------------------------------------------------------------------------------------------- the page

  function texts() {
    document.querySelectorAll("[data-text]").forEach((node) => (node.textContent = t(node.dataset.text)));
    document.querySelectorAll("[data-label]").forEach((node) => node.setAttribute("aria-label", t(node.dataset.label)));
    byId("judge").textContent = t("judge", { name: CONTENTS.judge.weights });
  }

  function theme() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const set = (name) => {
      document.documentElement.dataset.theme = name;
      byId("theme").setAttribute("aria-pressed", String(name === "dark"));
    };
    set(dark ? "dark" : "light");
    byId("theme").onclick = () => set(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  }

  function tour() {
    const hints = [
      ["stage", "hint_face"],
      ["emotions", "hint_emotion"],
      ["units", "hint_units"],
      ["everyone", "hint_everyone"],
    ];
    const dialog = byId("tour");
    let at = 0;
    const point = (on) => byId(hints[at][0]).classList.toggle("pointed", on);
    const show = () => {
      byId("hint").textContent = `${at + 1}/${hints.length} · ${t(hints[at][1])}`;
      byId("next").textContent = t(at + 1 < hints.length ? "next" : "done");
      point(true);
      byId(hints[at][0]).scrollIntoView({ block: "center" });
    };
    byId("open-tour").onclick = () => {
      at = 0;
      dialog.show();
      show();
      byId("next").focus();
    };
    byId("next").onclick = (event) => {
      point(false);
      at++;
      if (at === hints.length) return;
      event.preventDefault();
      show();
    };
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      point(false);
      dialog.close();
    });
  }

  function actions() {
    const options = generators.map((each, value) => element("option", { value, textContent: each.name }));
    const yours = element("optgroup", { label: t("yours") }, ...options.filter((_, i) => generators[i].own));
    byId("generator").append(
      ...options.filter((_, i) => !generators[i].own),
      ...(yours.childNodes.length ? [yours] : []),
    );
    byId("generator").onchange = (event) => change(() => (state.generator = Number(event.target.value)));
    for (const name of ["blend", "linked", "neutralise"])
      byId(name).onchange = (event) => change(() => (state[name] = event.target.checked));
    byId("divider").oninput = divide;
    const views = [...document.querySelectorAll("[data-view]")];
    views.forEach((radio, i) => {
      const choose = (k) => {
        state.view = views[k].dataset.view;
        controls();
        paint();
        views[k].focus();
      };
      radio.onclick = () => choose(i);
      radio.onkeydown = (event) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (by) choose((i + by + views.length) % views.length);
      };
    });
    byId("undo").onclick = () => step(undo.past, undo.future);
    byId("redo").onclick = () => step(undo.future, undo.past);
    byId("reset").onclick = () => change(() => (state.request = expressions.empty()));
    byId("link").onclick = async () => {
      await navigator.clipboard.writeText(location.href);
      say(t("link_copied"));
    };
    byId("save").onclick = () =>
      saveAs(new Blob([expressions.toFile(state.request)], { type: "application/json" }), "expression.json");
    byId("load").onclick = () => byId("expression-file").click();
    byId("expression-file").onchange = async (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (!file) return;
      try {
        const request = expressions.fromFile(await file.text());
        change(() => (state.request = request));
      } catch {
        say(t("load_failed", { file: file.name }), true);
      }
    };
    byId("download").onclick = async () => {
      const canvas = pictures.draw(shown.after, document.createElement("canvas"));
      saveAs(await pictures.png(canvas, statement()), "generated.png");
    };
    byId("whole").onclick = async () => {
      const canvas = pictures.pasted(face.picture, face.eyes, CONTENTS.eyes, shown.before, shown.after);
      saveAs(await pictures.png(canvas, statement()), "generated-whole.png");
    };
    byId("drive").hidden = !engine.drive;
    byId("drive").onclick = () => byId("driver").click();
    byId("driver").onchange = (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) drive(file);
    };
    window.addEventListener("keydown", (event) => {
      if (event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
        event.preventDefault();
        if (event.shiftKey) step(undo.future, undo.past);
        else step(undo.past, undo.future);
      } else if (event.ctrlKey || event.metaKey || event.altKey) return;
      else if (event.key >= "1" && event.key <= String(emotions.length))
        change(() => toggle(emotions[event.key - 1].name));
      else if (event.key === "p") byId("play").click();
    });
    window.addEventListener("hashchange", async () => {
      recall();
      take(await faces.drawn(state.person));
    });
  }

  async function drive(file) {
    say(t("driving", { file: file.name }));
    try {
      const { frames, fps } = await engine.drive(face, file);
      shown = { before: face.images[64], after: frames[0], untouched: false, unknown: [] };
      say(t("driven", { file: file.name }));
      movement.take(frames, fps);
    } catch (error) {
      say(t("failed", { why: error.message }), true);
    }
  }

  const statement = () => t("statement", { generator: chosen().weights });

  const movement = player.create({
    frameAt: async (share) => (await edited(chosen(), state.request, share)).after,
    show: (image) => paint(image),
    status: (text) => say(text),
    statement,
  });
  const markPerson = faces.peopleDialog(take);

  async function start() {
    texts();
    theme();
    recall();
    emotionControls();
    unitControls();
    presetControls();
    byId("strip").append(...cards.map((each) => each.node));
    faces.pictureDialog(take);
    tour();
    actions();
    await take(await faces.drawn(state.person));
  }

  return { start };
})();

studio.start();
