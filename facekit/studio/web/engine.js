// The networks, run in the browser by onnxruntime-web. Each is loaded when it is first needed.
"use strict";

const waiting = new Map(); // name -> what to call with the content of an asset

// Called by the files in assets/.
function asset(name, content) {
  waiting.get(name)(content);
  waiting.delete(name);
}

const engine = (() => {
  const ROUNDS = 5; // of finding eyes
  const SIDES = [0.95, 0.7, 0.5, 0.35]; // of the squares in which a face is looked for, as shares of the picture's side
  const SETTLED = 0.012; // eyes are found where they move by less, as a share of the aligned face

  const sessions = new Map();
  let library = null;
  let cascade = null; // of the detector of faces

  function unpacked(packed) {
    const binary = atob(packed);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  async function bytesOf(name) {
    const content = await new Promise((resolve, reject) => {
      waiting.set(name, resolve);
      const script = document.createElement("script");
      script.src = `assets/${name}.js`;
      script.onerror = () => reject(new Error(`assets/${name}.js`));
      script.onload = () => script.remove();
      document.head.append(script);
    });
    return new Uint8Array(await unpacked(content));
  }

  async function started() {
    const [code, binary] = await Promise.all([bytesOf("runtime_code"), bytesOf("runtime_binary")]);
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const ort = await import(address);
    ort.env.wasm.wasmBinary = binary;
    ort.env.wasm.numThreads = 1; // more need a server that isolates the page
    return ort;
  }

  function runtime() {
    library ??= started();
    return library;
  }

  function session(name) {
    if (!sessions.has(name)) {
      const opened = (async () => {
        const [ort, bytes] = await Promise.all([runtime(), bytesOf(name)]);
        return ort.InferenceSession.create(bytes, { graphOptimizationLevel: "all" });
      })();
      opened.catch(() => sessions.delete(name));
      sessions.set(name, opened);
    }
    return sessions.get(name);
  }

  async function run(name, image, part, label) {
    const [ort, network] = await Promise.all([runtime(), session(name)]);
    const inputs = { image: new ort.Tensor("float32", image.data, [1, 3, image.size, image.size]) };
    if (part) inputs[part] = new ort.Tensor("float32", Float32Array.from(label), [1, label.length]);
    const results = await network.run(inputs);
    return results[network.outputNames[0]].data;
  }

  // The edited image.
  async function edit(generator, image, label) {
    const data = await run(generator.weights, image, generator.part, label);
    return { size: image.size, data: Float32Array.from(data) };
  }

  const seen = (image) => (image.size === CONTENTS.readAt ? image : seen(pictures.halved(image)));

  // Probabilities of the emotions by name.
  async function read(image) {
    const { weights, temperature, emotions } = CONTENTS.judge;
    const logits = await run(weights, seen(image));
    const powers = Array.from(logits, (value) => Math.exp((value - Math.max(...logits)) / temperature));
    const sum = powers.reduce((all, power) => all + power, 0);
    return Object.fromEntries(emotions.map((name, i) => [name, powers[i] / sum]));
  }

  // The action units of a picture, as estimated.
  async function actionUnits(image) {
    const found = await run(CONTENTS.estimator, seen(image));
    return Array.from(found, (level) => Math.min(1, Math.max(0, level)));
  }

  // The centres of the eyes in an aligned face, as estimated: two points from 0 to 1.
  async function eyesOf(image) {
    const points = await run(CONTENTS.landmarks, seen(image));
    return [
      [36, 42],
      [42, 48],
    ].map(([first, last]) => {
      let [x, y] = [0, 0];
      for (let k = first; k < last; k++) {
        x += points[2 * k] / (last - first);
        y += points[2 * k + 1] / (last - first);
      }
      return [(x + 1) / 2, (y + 1) / 2];
    });
  }

  // Eyes of a face in a picture, found by aligning it again and again by the eyes that are seen in it, and by how much
  // they moved in the last round, as a share of the aligned face.
  async function refined(picture, eyes) {
    const place = CONTENTS.eyes;
    const expected = [-0.5, 0.5].map((side) => [0.5 + side * place.distance, place.height]);
    let moved = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      const found = await eyesOf(pictures.aligned(picture, eyes, place, CONTENTS.readAt));
      moved = Math.max(...found.map((eye, k) => Math.hypot(eye[0] - expected[k][0], eye[1] - expected[k][1])));
      eyes = found.map((eye) => pictures.inPicture(eyes, place, eye));
    }
    return { eyes, moved };
  }

  // The eyes of the faces in a picture, in its pixels, the largest face first. Where the detector finds none, as for a
  // face that is turned or tilted, one is looked for near the middle: in squares of several sizes, until the eyes stay.
  async function faces(picture) {
    cascade ??= bytesOf("face_cascade").then((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
    const trained = await cascade;
    const detected = [];
    for (const { x, y, side } of detector.find(picture, trained)) {
      const start = trained.eyes.map(([u, v]) => [x + u * side, y + v * side]);
      const { eyes, moved } = await refined(picture, start);
      detected.push(moved < SETTLED ? eyes : start);
    }
    if (detected.length) return detected;
    const tried = [];
    for (const share of SIDES) tried.push(await refined(picture, pictures.eyesIn(picture, share, CONTENTS.eyes)));
    const best = tried.reduce((least, each) => (each.moved < least.moved ? each : least));
    return best.moved < SETTLED ? [best.eyes] : [];
  }

  // The ground truth, which is stored of drawn people as they are and with one emotion at full intensity.
  async function truth(face, request) {
    const emotion = expressions.singleEmotion(request);
    if (face.id === null || !(emotion || expressions.isEmpty(request))) return null;
    if (!emotion || emotion === "neutral") return face.images[128];
    return pictures.fromAddress(CONTENTS.people[face.id].truth[emotion]);
  }

  const isLoaded = (generator) => sessions.has(generator.weights);

  const load = (generator) => session(generator.weights);

  return { actionUnits, edit, faces, isLoaded, load, read, truth };
})();
