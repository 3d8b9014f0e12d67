// A movement: from the face as it is to the expression and back, or as the face in a video moves. It can be played,
// stopped at any moment, made slower, and saved.
"use strict";

const player = (() => {
  const FRAMES = 16; // from the face to the expression
  const RATE = 14; // frames a second of this movement
  const FILE_SIZE = 512; // pixels of a video that the browser saves
  const FORMATS = engine.movie ? [".mp4", ".gif", ".webp"] : [".webm"];

  // `frameAt(share)` computes the image at a share of the way from 0 to 1; `show(image)` shows it; `status(text)` says
  // what goes on; `statement()` is what the file of a video says.
  function create({ frameAt, show, status, statement }) {
    const [play, timeline, speed, format, download] = ["play", "timeline", "speed", "format", "download-video"].map(
      byId,
    );
    format.append(...FORMATS.map((suffix) => element("option", { value: suffix, textContent: suffix.slice(1) })));
    let movement = null; // {frames, fps, back}: back, if it is played backwards as well
    let latest = null; // of the computations, of which an earlier one ends
    let ticking = null;
    let at = 0; // of the frames, in the order in which they are played

    const length = () => (movement.back ? 2 * (movement.frames.length - 1) : movement.frames.length);
    const indexOf = (position) => (position < movement.frames.length ? position : length() - position);

    async function computed() {
      if (movement) return true;
      const mine = (latest = {});
      const frames = [];
      for (let k = 0; k <= FRAMES; k++) {
        status(t("computing", { n: k, all: FRAMES }));
        frames.push(await frameAt(k / FRAMES));
        await pause();
        if (latest !== mine) return false; // the expression has changed
      }
      status("");
      movement = { frames, fps: RATE, back: true };
      at = FRAMES;
      return true;
    }

    function showFrame(position) {
      at = position;
      show(movement.frames[indexOf(at)]);
      timeline.value = Math.round((100 * indexOf(at)) / (movement.frames.length - 1));
    }

    const wait = () => 1000 / movement.fps / Number(speed.value);

    function tick() {
      showFrame((at + 1) % length());
      ticking = setTimeout(tick, wait());
    }

    function stop() {
      clearTimeout(ticking);
      ticking = null;
      play.textContent = t("play");
    }

    play.onclick = async () => {
      if (ticking) return stop();
      play.textContent = t("pause");
      if (await computed()) tick();
      else stop();
    };

    timeline.oninput = async () => {
      stop();
      const share = timeline.value / 100;
      if (await computed()) showFrame(Math.round(share * (movement.frames.length - 1)));
    };

    download.onclick = async () => {
      stop();
      if (!(await computed())) return;
      const frames = Array.from({ length: length() }, (_, k) => movement.frames[indexOf(k)]);
      const rate = movement.fps * Number(speed.value);
      const file = engine.movie
        ? await engine.movie(frames, rate, format.value, statement())
        : await recorded(frames, 1000 / rate);
      saveAs(file, `generated${format.value}`);
    };

    return {
      // The expression, the face or the generator has changed.
      reset() {
        stop();
        latest = null;
        movement = null;
        timeline.value = 100;
      },
      // Play frames that come from elsewhere.
      take(frames, fps) {
        stop();
        latest = null;
        movement = { frames, fps, back: false };
        at = 0;
        play.textContent = t("pause");
        tick();
      },
    };
  }

  // A video of frames, each shown for some milliseconds, as the browser records it.
  async function recorded(frames, milliseconds) {
    const canvas = pictures.canvasOf(FILE_SIZE);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    const scratch = document.createElement("canvas");
    const parts = [];
    const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm" });
    recorder.ondataavailable = (event) => parts.push(event.data);
    const finished = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (const frame of frames) {
      context.drawImage(pictures.draw(frame, scratch), 0, 0, FILE_SIZE, FILE_SIZE);
      await pause(milliseconds);
    }
    recorder.stop();
    await finished;
    return new Blob(parts, { type: "video/webm" });
  }

  return { create };
})();
