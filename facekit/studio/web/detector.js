// Frontal faces in a picture by a cascade of Haar features (Viola & Jones 2004), which `facekit/studio/cascade.py`
// takes from OpenCV.
"use strict";

const detector = (() => {
  const LONGEST = 480; // pixels of the longer side of the picture that is searched
  const MARGIN = 0.25; // around it, as a share of the shorter side: faces may fill the picture
  const FINER = 1.1; // ratio of two sizes of the window
  const STEP = 2; // pixels from one window to the next, in the reduced picture
  const LEAST = [28, 1 / 10]; // the smallest face: in pixels, and as a share of the shorter side
  const NEIGHBOURS = 4; // windows that must agree on a face
  const ALIKE = 0.2; // shift, as a share of the side, up to which two windows show the same face
  const SMALLEST = 1 / 3; // share of the largest face; smaller ones are posters on the wall, or false

  // The picture with its margin, reduced by a factor, as sums over all pixels above and to the left: of the brightness
  // and of its square.
  function sums(picture, scale) {
    const margin = MARGIN * Math.min(picture.width, picture.height);
    const width = Math.round((picture.width + 2 * margin) * scale);
    const height = Math.round((picture.height + 2 * margin) * scale);
    const context = pictures.canvasOf(width, height).getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#808080";
    context.fillRect(0, 0, width, height);
    context.drawImage(picture, margin * scale, margin * scale, picture.width * scale, picture.height * scale);
    const pixels = context.getImageData(0, 0, width, height).data;
    const stride = width + 1;
    const sum = new Float64Array(stride * (height + 1));
    const squares = new Float64Array(sum.length);
    for (let y = 0; y < height; y++) {
      let [row, rowSquares] = [0, 0];
      for (let x = 0; x < width; x++) {
        const i = 4 * (y * width + x);
        const grey = 0.299 * pixels[i] + 0.587 * pixels[i + 1] + 0.114 * pixels[i + 2];
        row += grey;
        rowSquares += grey * grey;
        const at = (y + 1) * stride + x + 1;
        sum[at] = sum[at - stride] + row;
        squares[at] = squares[at - stride] + rowSquares;
      }
    }
    return { width, height, stride, sum, squares, margin };
  }

  // The four corners of a rectangle in sums, relative to those of the window.
  const corners = (stride, x, y, width, height) => [
    y * stride + x,
    y * stride + x + width,
    (y + height) * stride + x,
    (y + height) * stride + x + width,
  ];

  const within = (sum, at, [a, b, c, d]) => sum[at + a] - sum[at + b] - sum[at + c] + sum[at + d];

  function response(sum, at, rectangles) {
    let value = 0;
    for (const { corners, weight } of rectangles) value += weight * within(sum, at, corners);
    return value;
  }

  function offsets(cascade, stride) {
    return cascade.features.map((numbers) => {
      const rectangles = [];
      for (let i = 0; i < numbers.length; i += 5)
        rectangles.push({ corners: corners(stride, ...numbers.slice(i, i + 4)), weight: numbers[i + 4] });
      return rectangles;
    });
  }

  function isFace(cascade, features, sum, at, norm) {
    for (const { threshold, trees } of cascade.stages) {
      let score = 0;
      for (const { nodes, leaves } of trees) {
        let node = 0;
        do {
          const value = response(sum, at, features[nodes[4 * node + 2]]);
          node = nodes[4 * node + (value * norm < nodes[4 * node + 3] ? 0 : 1)];
        } while (node > 0);
        score += leaves[-node];
      }
      if (score < threshold - 1e-5) return false;
    }
    return true;
  }

  // The windows of one size that show a face, in pixels of the picture.
  function* windows(cascade, picture, side) {
    const scale = cascade.size / side;
    const { width, height, stride, sum, squares, margin } = sums(picture, scale);
    const features = offsets(cascade, stride);
    const inner = corners(stride, 1, 1, cascade.size - 2, cascade.size - 2);
    const area = (cascade.size - 2) ** 2;
    for (let y = 0; y + cascade.size <= height; y += STEP)
      for (let x = 0; x + cascade.size <= width; x += STEP) {
        const at = y * stride + x;
        const spread = area * within(squares, at, inner) - within(sum, at, inner) ** 2;
        const flat = spread <= area ** 2; // a standard deviation of one grey level
        if (!flat && isFace(cascade, features, sum, at, 1 / Math.sqrt(spread)))
          yield { x: x / scale - margin, y: y / scale - margin, side };
      }
  }

  const alike = (a, b) => {
    const most = ALIKE * Math.min(a.side, b.side);
    return [a.x - b.x, a.y - b.y, a.x + a.side - b.x - b.side, a.y + a.side - b.y - b.side].every(
      (shift) => Math.abs(shift) <= most,
    );
  };

  // Each group of windows that show the same face becomes their mean; single windows are false detections.
  function grouped(found) {
    const groups = [];
    for (const box of found) {
      const joined = groups.filter((group) => group.some((each) => alike(each, box)));
      for (const group of joined) groups.splice(groups.indexOf(group), 1);
      groups.push([box, ...joined.flat()]);
    }
    const mean = (group, key) => group.reduce((all, box) => all + box[key], 0) / group.length;
    return groups
      .filter((group) => group.length > NEIGHBOURS)
      .map((group) => ({ x: mean(group, "x"), y: mean(group, "y"), side: mean(group, "side") }));
  }

  // The squares around the faces in a picture, the largest first: {x, y, side} in its pixels.
  function find(picture, cascade) {
    const [shorter, longer] = [picture.width, picture.height].sort((a, b) => a - b);
    const reduced = Math.min(1, LONGEST / longer);
    const found = [];
    for (
      let side = Math.max(LEAST[0] / reduced, LEAST[1] * shorter);
      side <= shorter * (1 + 2 * MARGIN);
      side *= FINER
    )
      found.push(...windows(cascade, picture, side));
    const faces = grouped(found).sort((a, b) => b.side - a.side);
    return faces.filter((face) => face.side >= SMALLEST * faces[0].side);
  }

  return { find };
})();
