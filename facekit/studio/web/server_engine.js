// The networks, run by the server that the page comes from.
"use strict";

const engine = (() => {
  const PIXELS = { headers: { "Content-Type": "application/octet-stream" } };

  async function asked(what, values, options) {
    const answer = await fetch(`${what}?${new URLSearchParams(values)}`, { method: "POST", ...options });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || answer.statusText);
    return answer;
  }

  function bytesOf(...images) {
    const bytes = new Uint8Array(images.reduce((sum, image) => sum + image.data.length, 0));
    let at = 0;
    for (const image of images) for (const value of image.data) bytes[at++] = Math.round((value + 1) * 127.5);
    return bytes;
  }

  async function imagesIn(answer, size) {
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const each = 3 * size * size;
    return Array.from({ length: bytes.length / each }, (_, k) => ({
      size,
      data: Float32Array.from(bytes.subarray(k * each, (k + 1) * each), (value) => value / 127.5 - 1),
    }));
  }

  const about = (what, image) => asked(what, {}, { ...PIXELS, body: bytesOf(image) }).then((answer) => answer.json());

  async function edit(generator, image, label) {
    const values = { generator: generator.weights, label: Array.from(label).join() };
    const [edited] = await imagesIn(await asked("edit", values, { ...PIXELS, body: bytesOf(image) }), image.size);
    return edited;
  }

  const read = (image) => about("read", image);

  const actionUnits = (image) => about("units", image);

  async function faces(picture) {
    const file = await new Promise((resolve) => picture.toBlob(resolve, "image/jpeg", 0.95));
    return (await asked("faces", {}, { body: file })).json();
  }

  // The ground truth of drawn people, with any expression.
  async function truth(face, request) {
    if (face.id === null) return null;
    const units = expressions.actionUnits(
      request,
      expressions.columns.map(() => 0),
    );
    const [image] = await imagesIn(await asked("truth", { person: face.id, units: units.join() }), 128);
    return image;
  }

  // The frames of a face that the face in a video moves, and their rate.
  async function drive(face, file) {
    const form = new FormData();
    form.append("face", new Blob([bytesOf(face.images[64])]));
    form.append("video", file);
    const answer = await asked("drive", {}, { body: form });
    return { frames: await imagesIn(answer, 64), fps: Number(answer.headers.get("X-Frames-A-Second")) };
  }

  // Frames as a file: .mp4, .gif or .webp.
  async function movie(frames, fps, suffix, statement) {
    const values = { size: frames[0].size, fps, suffix, statement };
    return (await asked("movie", values, { ...PIXELS, body: bytesOf(...frames) })).blob();
  }

  return { actionUnits, drive, edit, faces, isLoaded: () => true, load: async () => {}, movie, read, truth };
})();
