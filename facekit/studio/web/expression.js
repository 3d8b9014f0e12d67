// What is asked of a face: weights of emotions, and action units that were set by hand. Pure functions of values.
"use strict";

const expressions = (() => {
  const { columns, emotions, labels } = CONTENTS;
  const PROTOTYPES = Object.fromEntries(emotions.map((each) => [each.name, each.units]));

  const empty = () => ({ emotions: {}, units: {} });

  const isEmpty = (request) => !Object.keys(request.emotions).length && !Object.keys(request.units).length;

  function total(request) {
    return Object.values(request.emotions).reduce((sum, weight) => sum + weight, 0);
  }

  // Action units (A), between the face's own ones and those of the emotions; those set by hand replace them.
  function actionUnits(request, own) {
    const sum = total(request);
    const scale = sum > 1 ? 1 / sum : 1;
    const rest = 1 - Math.min(1, sum);
    return columns.map((column, i) => {
      if (column in request.units) return request.units[column];
      const asked = Object.entries(request.emotions).reduce(
        (all, [name, w]) => all + w * scale * PROTOTYPES[name][i],
        0,
      );
      return Math.min(1, Math.max(0, rest * own[i] + asked));
    });
  }

  // Weights of the emotions (E) that add up to 1; what is missing is neutral.
  function emotionWeights(request) {
    const sum = total(request);
    const scale = sum > 1 ? 1 / sum : 1;
    const weights = labels.map((name) => (request.emotions[name] || 0) * scale);
    weights[labels.indexOf("neutral")] += Math.max(0, 1 - sum);
    return weights;
  }

  // The label that a generator takes, or null where the request asks it for nothing but the face as it is.
  function labelFor(generator, request, own) {
    if (generator.part === "emotion") return total(request) > 0 ? emotionWeights(request) : null;
    const units = actionUnits(request, own);
    return units.every((level, i) => Math.abs(level - own[i]) < 1e-6) ? null : units;
  }

  // What a request asks for and a generator was not trained on: names of emotions, or of action units.
  function unknownTo(generator, request, own) {
    if (generator.part === "emotion")
      return Object.keys(request.emotions).filter((name) => !generator.emotions.includes(name));
    const asked = actionUnits(request, own);
    const more = (column) => asked[columns.indexOf(column)] > own[columns.indexOf(column)] + 1e-6;
    return [...new Set(generator.untrained.filter(more).map((column) => column.replace(/[LR]$/, "")))];
  }

  // A label without action units that the generator was not trained on: a photograph's estimated ones are never quite 0.
  function known(generator, label) {
    if (generator.part === "emotion") return label;
    return label.map((level, i) => (generator.untrained.includes(columns[i]) ? 0 : level));
  }

  function neutralLabel(generator) {
    return generator.part === "emotion" ? emotionWeights({ emotions: { neutral: 1 } }) : columns.map(() => 0);
  }

  // One emotion at full intensity and nothing else: the request of which the ground truth is drawn.
  function singleEmotion(request) {
    const [name, ...others] = Object.keys(request.emotions);
    const alone = name && !others.length && request.emotions[name] === 1 && !Object.keys(request.units).length;
    return alone ? name : null;
  }

  const FORMAT = "facekit expression";

  function toFile(request) {
    const content = { format: FORMAT, emotions: request.emotions, action_units: request.units };
    return JSON.stringify(content, null, 2) + "\n";
  }

  // The request in a file. Throws an Error for another file.
  function fromFile(text) {
    let content;
    try {
      content = JSON.parse(text);
    } catch {
      content = null;
    }
    if (!content || content.format !== FORMAT) throw new Error("not an expression");
    return checked(content.emotions || {}, content.action_units || {});
  }

  // Only what is known, within 0 and 1.
  function checked(weights, units) {
    const level = (value) => Math.min(1, Math.max(0, Number(value)));
    const kept = (values, known) =>
      Object.fromEntries(
        Object.entries(values)
          .filter(([k, v]) => known.includes(k) && isFinite(Number(v)))
          .map(([k, v]) => [k, level(v)]),
      );
    return { emotions: kept(weights, Object.keys(PROTOTYPES)), units: kept(units, columns) };
  }

  return {
    actionUnits,
    checked,
    columns,
    emotionWeights,
    empty,
    fromFile,
    isEmpty,
    known,
    labelFor,
    neutralLabel,
    singleEmotion,
    toFile,
    unknownTo,
  };
})();
