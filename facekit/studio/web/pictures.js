// Pictures as arrays of numbers, and back: alignment, differences, pasting, files.
// An image is {size, data}: a Float32Array of 3 x size x size values in [-1, 1], channel by channel.
"use strict";

const pictures = (() => {
  const EDGE = 0.12; // width of the soft edge of a pasted face, as a share of its side
  const LONGEST = 2048; // pixels of a side of a picture that is kept; larger ones are reduced

  function canvasOf(width, height = width) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    return canvas;
  }

  function fromPixels(pixels, size) {
    const data = new Float32Array(3 * size * size);
    for (let i = 0; i < size * size; i++)
      for (let c = 0; c < 3; c++) data[c * size * size + i] = pixels[4 * i + c] / 127.5 - 1;
    return { size, data };
  }

  function fromCanvas(canvas) {
    return fromPixels(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data, canvas.width);
  }

  // What is laid over an image comes from `color(i)`: red, green, blue in 0 to 255 of pixel i.
  function paint(canvas, size, color) {
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(size, size);
    for (let i = 0; i < size * size; i++) {
      const rgb = color(i);
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = rgb[c];
      pixels.data[4 * i + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  function draw(image, canvas) {
    const n = image.size * image.size;
    return paint(canvas, image.size, (i) => [0, 1, 2].map((c) => (image.data[c * n + i] + 1) * 127.5));
  }

  // The absolute difference, twice as bright.
  function drawDifference(before, after, canvas) {
    const n = after.size * after.size;
    return paint(canvas, after.size, (i) =>
      [0, 1, 2].map((c) => Math.abs(after.data[c * n + i] - before.data[c * n + i]) * 255),
    );
  }

  // The edit in grey, and what changed in it in red.
  function drawChange(before, after, canvas) {
    const n = after.size * after.size;
    return paint(canvas, after.size, (i) => {
      let grey = 0;
      let change = 0;
      for (let c = 0; c < 3; c++) {
        grey += (after.data[c * n + i] + 1) * 42.5;
        change = Math.max(change, Math.abs(after.data[c * n + i] - before.data[c * n + i]));
      }
      const share = Math.min(1, 4 * change);
      return [grey + share * (255 - grey), grey * (1 - 0.8 * share), grey * (1 - 0.8 * share)];
    });
  }

  function halved(image) {
    const size = image.size / 2;
    const data = new Float32Array(3 * size * size);
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
          const i = c * image.size * image.size + 2 * y * image.size + 2 * x;
          const sum = image.data[i] + image.data[i + 1] + image.data[i + image.size] + image.data[i + image.size + 1];
          data[c * size * size + y * size + x] = sum / 4;
        }
    return { size, data };
  }

  async function fromAddress(address) {
    const element = new Image();
    element.src = address;
    await element.decode();
    const canvas = canvasOf(element.naturalWidth, element.naturalHeight);
    canvas.getContext("2d").drawImage(element, 0, 0);
    return fromCanvas(canvas);
  }

  // A picture as a canvas, turned as its EXIF says, and reduced if it is very large.
  async function opened(blob) {
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    const canvas = canvasOf(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  // The similarity from a picture to an aligned face of side 1: [a, b, x, y] of (a + bi) z + (x + yi).
  function alignment(eyes, place) {
    const [left, right] = eyes;
    const dx = right[0] - left[0];
    const dy = right[1] - left[1];
    const square = dx * dx + dy * dy;
    const a = (place.distance * dx) / square;
    const b = (-place.distance * dy) / square;
    const middle = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
    return [a, b, 0.5 - (a * middle[0] - b * middle[1]), place.height - (b * middle[0] + a * middle[1])];
  }

  // The face with these eyes, aligned. It is drawn larger and then halved, so that nothing is skipped.
  function aligned(picture, eyes, place, size) {
    const [a, b, x, y] = alignment(eyes, place);
    let finer = 1;
    while (finer * size * Math.hypot(a, b) < 0.75 && finer < 16) finer *= 2;
    const side = size * finer;
    const canvas = canvasOf(side);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#808080";
    context.fillRect(0, 0, side, side);
    context.setTransform(a * side, b * side, -b * side, a * side, x * side, y * side);
    context.drawImage(picture, 0, 0);
    let image = fromCanvas(canvas);
    while (image.size > size) image = halved(image);
    return image;
  }

  // The eyes whose alignment crops a square near the middle of a picture; `share` is that of its shorter side.
  function eyesIn(picture, share, place) {
    const side = share * Math.min(picture.width, picture.height);
    const height = 0.48 * picture.height - side / 2 + place.height * side;
    const apart = (place.distance * side) / 2;
    return [
      [picture.width / 2 - apart, height],
      [picture.width / 2 + apart, height],
    ];
  }

  // The place in the picture of a point of the aligned face, both coordinates from 0 to 1.
  function inPicture(eyes, place, [u, v]) {
    const [a, b, x, y] = alignment(eyes, place);
    const square = a * a + b * b;
    return [(a * (u - x) + b * (v - y)) / square, (-b * (u - x) + a * (v - y)) / square];
  }

  // The whole picture with the change of its face added, softly at the edge: the picture keeps its own detail.
  function pasted(picture, eyes, place, before, after) {
    const canvas = canvasOf(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const [a, b, x, y] = alignment(eyes, place);
    const corners = [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ].map((corner) => inPicture(eyes, place, corner));
    const low = (k) => Math.max(0, Math.floor(Math.min(...corners.map((corner) => corner[k]))));
    const high = (k, most) => Math.min(most, Math.ceil(Math.max(...corners.map((corner) => corner[k]))));
    const [left, top] = [low(0), low(1)];
    const [width, height] = [high(0, canvas.width) - left, high(1, canvas.height) - top];
    if (width <= 0 || height <= 0) return canvas;
    const pixels = context.getImageData(left, top, width, height);
    const size = before.size;
    const n = size * size;
    const ramp = (t) => {
      const s = Math.min(1, Math.max(0, Math.min(t, 1 - t) / EDGE));
      return s * s * (3 - 2 * s);
    };
    for (let j = 0; j < height; j++)
      for (let i = 0; i < width; i++) {
        const [px, py] = [left + i + 0.5, top + j + 0.5];
        const [u, v] = [a * px - b * py + x, b * px + a * py + y];
        const weight = ramp(u) * ramp(v);
        if (weight === 0) continue;
        const [fx, fy] = [
          Math.min(size - 1.001, Math.max(0, u * size - 0.5)),
          Math.min(size - 1.001, Math.max(0, v * size - 0.5)),
        ];
        const [x0, y0] = [Math.floor(fx), Math.floor(fy)];
        const [sx, sy] = [fx - x0, fy - y0];
        for (let c = 0; c < 3; c++) {
          const at = (dx, dy) => {
            const k = c * n + (y0 + dy) * size + x0 + dx;
            return after.data[k] - before.data[k];
          };
          const change = (1 - sy) * ((1 - sx) * at(0, 0) + sx * at(1, 0)) + sy * ((1 - sx) * at(0, 1) + sx * at(1, 1));
          pixels.data[4 * (j * width + i) + c] += 127.5 * weight * change;
        }
      }
    context.putImageData(pixels, left, top);
    return canvas;
  }

  function crc32(bytes) {
    let crc = ~0;
    for (const byte of bytes) {
      crc ^= byte;
      for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
    }
    return ~crc >>> 0;
  }

  // A PNG whose metadata state where it comes from (PNG specification, chunk tEXt).
  async function png(canvas, statement) {
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const text = new TextEncoder().encode(`tEXtComment\0${statement}`);
    const chunk = new Uint8Array(text.length + 8);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, text.length - 4);
    chunk.set(text, 4);
    view.setUint32(text.length + 4, crc32(text));
    const end = bytes.length - 12; // before IEND
    return new Blob([bytes.slice(0, end), chunk, bytes.slice(end)], { type: "image/png" });
  }

  return {
    aligned,
    canvasOf,
    draw,
    drawChange,
    drawDifference,
    eyesIn,
    fromAddress,
    halved,
    inPicture,
    opened,
    pasted,
    png,
  };
})();
