// Choosing a face: a drawn person, a picture, or the camera. `chosen` is called with the new face.
"use strict";

// A face is {id of a drawn person or null, images: {64: image, 128: image}, picture or null, eyes in it}.
const faces = (() => {
  const { people, eyes: PLACE } = CONTENTS;
  const SIZES = [64, 128];
  async function drawn(id) {
    const person = people[id];
    const images = {};
    for (const size of SIZES) images[size] = await pictures.fromAddress(person.images[size]);
    return { id, images, picture: null };
  }

  function photographed(picture, eyes) {
    const images = {};
    for (const size of SIZES) images[size] = pictures.aligned(picture, eyes, PLACE, size);
    return { id: null, images, picture, eyes };
  }

  function peopleDialog(chosen) {
    const dialog = byId("people");
    byId("portraits").replaceChildren(
      ...people.map((person) => {
        const button = element("button", { ariaLabel: t("person", { n: person.id }) });
        button.append(element("img", { src: person.images[64], alt: "", loading: "lazy" }));
        button.onclick = async () => {
          dialog.close();
          chosen(await drawn(person.id));
        };
        return button;
      }),
    );
    byId("open-people").onclick = () => dialog.showModal();
    return (id) =>
      byId("portraits").childNodes.forEach((button, i) => button.setAttribute("aria-pressed", String(i === id)));
  }

  function pictureDialog(chosen) {
    const [dialog, note, camera, take] = ["picture", "picture-note", "camera", "take"].map(byId);
    const marks = [byId("left-mark"), byId("right-mark")];
    let picture = null;
    let eyes = null;
    let stream = null;

    function stop() {
      stream?.getTracks().forEach((track) => track.stop());
      stream = null;
      camera.hidden = take.hidden = true;
    }

    function place() {
      const shown = byId("photo").getBoundingClientRect();
      marks.forEach((mark, k) => {
        mark.style.left = `${(eyes[k][0] / picture.width) * shown.width}px`;
        mark.style.top = `${(eyes[k][1] / picture.height) * shown.height}px`;
      });
    }

    function move(k, x, y) {
      eyes[k] = [Math.min(picture.width, Math.max(0, x)), Math.min(picture.height, Math.max(0, y))];
      if (eyes[0][0] >= eyes[1][0] - 2) eyes[k][0] = k ? eyes[0][0] + 2 : eyes[1][0] - 2;
      place();
    }

    async function show(canvas) {
      stop();
      picture = canvas;
      note.textContent = "";
      const photo = byId("photo");
      [photo.width, photo.height] = [picture.width, picture.height];
      photo.getContext("2d").drawImage(picture, 0, 0);
      byId("marking").hidden = false;
      eyes = pictures.eyesIn(picture, 0.7, PLACE);
      place();
      await find();
    }

    async function find() {
      byId("find").disabled = true;
      const all = await engine.faces(picture).catch(() => []);
      byId("find").disabled = false;
      if (all.length) eyes = all[0];
      note.textContent = all.length ? "" : t("not_found");
      const choices = all.map((each, k) => {
        const button = element("button", { className: "chip", textContent: t("face", { n: k + 1 }) });
        button.onclick = () => {
          eyes = each.map((eye) => [...eye]);
          place();
        };
        return button;
      });
      byId("several").replaceChildren(...(all.length > 1 ? choices : []));
      place();
    }

    async function read(blob) {
      const canvas = await pictures.opened(blob).catch(() => null);
      if (canvas) await show(canvas);
      else note.textContent = t("no_picture", { file: blob.name || t("picture") });
    }

    marks.forEach((mark, k) => {
      mark.onpointerdown = (event) => mark.setPointerCapture(event.pointerId);
      mark.onpointermove = (event) => {
        if (!mark.hasPointerCapture(event.pointerId)) return;
        const shown = byId("photo").getBoundingClientRect();
        const scale = picture.width / shown.width;
        move(k, (event.clientX - shown.left) * scale, (event.clientY - shown.top) * scale);
      };
      mark.onkeydown = (event) => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!step) return;
        event.preventDefault();
        const far = (event.shiftKey ? 10 : 1) * Math.max(1, picture.width / 400);
        move(k, eyes[k][0] + step[0] * far, eyes[k][1] + step[1] * far);
      };
    });
    window.addEventListener("resize", () => picture && dialog.open && place());
    byId("file").onchange = (event) => event.target.files[0] && read(event.target.files[0]);
    byId("find").onclick = find;
    byId("use-face").onclick = () => {
      dialog.close();
      chosen(photographed(picture, eyes));
    };
    byId("open-picture").onclick = () => {
      note.textContent = "";
      dialog.showModal();
      if (picture) place();
    };
    byId("open-webcam").onclick = async () => {
      note.textContent = "";
      byId("marking").hidden = true;
      dialog.showModal();
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, facingMode: "user" } });
        if (!dialog.open) return stop(); // it was closed while the browser asked for leave
        camera.srcObject = stream;
        camera.hidden = false;
        await camera.play();
        take.hidden = stream === null; // before, the camera has no size
      } catch (error) {
        note.textContent = t("no_camera", { why: error.message || error.name });
      }
    };
    take.onclick = () => {
      const canvas = pictures.canvasOf(camera.videoWidth, camera.videoHeight);
      canvas.getContext("2d").drawImage(camera, 0, 0);
      show(canvas);
    };
    dialog.addEventListener("close", stop);
    window.addEventListener("paste", (event) => {
      const item = [...event.clipboardData.files].find((file) => file.type.startsWith("image/"));
      if (!item) return;
      if (!dialog.open) dialog.showModal();
      read(item);
    });
  }

  return { count: people.length, drawn, peopleDialog, pictureDialog };
})();
