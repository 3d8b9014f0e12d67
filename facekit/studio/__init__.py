"""The studio as a web page: served, or as files that a browser opens from disk and whose generators run in it.

contents   faces, action units, presets and texts
runtime    onnxruntime-web, which runs the generators in a browser
page       writes the folder of files
server     serves the page, and runs the generators itself
web        the page: HTML, CSS, JavaScript, and texts.json, everything that it says
"""
